/// A moment in UTC, in the Gregorian calendar; what is written of it goes down to the second.
public struct Moment: Hashable, Sendable {
    /// Whole seconds since 1970-01-01T00:00:00Z.
    public var seconds: Int64
    /// Billionths of a second beyond them, less than 1,000,000,000; 0 unless it was read with a fraction.
    public internal(set) var nanoseconds: Int64 = 0

    public init(_ seconds: Int64) {
        self.seconds = seconds
    }

    /// - Parameter milliseconds: since 1970, as `Surroundings.now` gives them.
    public init(milliseconds: Int64) {
        seconds = milliseconds.floored(by: 1000)
    }
}

extension Moment: Comparable {
    public static func < (a: Moment, b: Moment) -> Bool { (a.seconds, a.nanoseconds) < (b.seconds, b.nanoseconds) }
}

extension Moment: CustomStringConvertible {
    /// `2026-11-21T00:42:07Z` (RFC 3339).
    public var description: String {
        let time = time
        return "\(day)T\(padded(time.hour)):\(padded(time.minute)):\(padded(time.second))Z"
    }

    /// `20261121T004207Z` (ISO 8601, basic format): for names of files.
    public var compact: String {
        let date = date
        return padded(date.year, 4) + padded(date.month) + padded(date.day) + "T" + timeOfDay + "Z"
    }

    /// `2026-11-21`
    public var day: String {
        let date = date
        return "\(padded(date.year, 4))-\(padded(date.month))-\(padded(date.day))"
    }

    /// `004207`
    public var timeOfDay: String {
        let time = time
        return padded(time.hour) + padded(time.minute) + padded(time.second)
    }

    private var date: CivilDate { CivilDate(dayNumber: Int(seconds.floored(by: 86_400))) }

    private var time: (hour: Int, minute: Int, second: Int) {
        let inDay = Int(seconds - seconds.floored(by: 86_400) * 86_400)
        return (inDay / 3600, inDay / 60 % 60, inDay % 60)
    }
}

private func padded(_ number: Int, _ width: Int = 2) -> String {
    let digits = String(number)
    return String(repeating: "0", count: max(0, width - digits.count)) + digits
}
