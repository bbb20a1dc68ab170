import OCI

/// The wall clock of a time zone: what it shows at an instant, and when it is put forward or back.
///
/// Instants are seconds since 1970 in UTC; a wall time is the number of seconds that UTC would have when its clocks
/// showed the same.
public struct ZoneClock: Sendable, Hashable {
    /// Of the time zone database, such as `Europe/Berlin`.
    public let name: String
    /// When the offset changes, ascending.
    private let changes: [Int64]
    /// The offset from each change on; one more in front, for the time before the first.
    private let offsets: [Int]
    /// What follows after the last change; nil if nothing does.
    private let rule: ZoneRule?

    public static let utc = ZoneClock(name: "UTC", changes: [], offsets: [0], rule: nil)

    init(name: String, changes: [Int64], offsets: [Int], rule: ZoneRule?) {
        self.name = name
        self.changes = changes
        self.offsets = offsets
        self.rule = rule
    }

    /// A time with one offset from UTC, as it is between two changes of the clocks.
    struct Stretch: Sendable, Hashable {
        /// `.min` where nothing was before.
        var begin: Int64
        /// The first instant that is not in it; `.max` where nothing follows.
        var end: Int64
        /// Seconds to add to an instant for its wall time.
        var offset: Int
    }

    /// Seconds to add to an instant for its wall time.
    public func offset(at instant: Int64) -> Int {
        let number = changes.partition { $0 > instant }
        if number == changes.count, let rule { return rule.offset(at: instant) }
        return offsets[number]
    }

    /// What the wall clock shows.
    public func wall(at instant: Int64) -> Int64 { instant + Int64(offset(at: instant)) }

    /// The stretch that an instant is in. Its beginning is exact only as far as the file's list reaches; later it is the
    /// instant itself.
    func stretch(at instant: Int64) -> Stretch {
        let number = changes.partition { $0 > instant }
        if number == changes.count, let rule {
            return Stretch(
                begin: instant, end: rule.change(after: instant) ?? .max, offset: rule.offset(at: instant))
        }
        return Stretch(
            begin: number == 0 ? .min : changes[number - 1], end: number < changes.count ? changes[number] : .max,
            offset: offsets[number])
    }
}

extension [Int64] {
    /// The index of the first element, in ascending order, of which `isBehind` holds; the count if there is none.
    fileprivate func partition(_ isBehind: (Int64) -> Bool) -> Int {
        var low = 0
        var high = count
        while low < high {
            let middle = (low + high) / 2
            if isBehind(self[middle]) { high = middle } else { low = middle + 1 }
        }
        return low
    }
}
