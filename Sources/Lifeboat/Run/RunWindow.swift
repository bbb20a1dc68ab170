import OCI

/// The hours of a day in which a run may start blobs, by the clocks of one time zone.
///
/// It may reach over midnight. On a day on which the clocks change it is as long as they make it.
public struct RunWindow: Sendable, Hashable, CustomStringConvertible {
    /// Minutes since midnight.
    let from: Int
    let to: Int
    /// A name of the time zone database, such as `Europe/Berlin`.
    public let timeZone: String
    private let zone: ZoneClock

    /// - Parameters:
    ///   - from: `HH:MM`
    ///   - to: `HH:MM`, the first minute that is outside.
    /// - Throws: `LifeboatError` `.policy` for a time zone that is not known, or two equal times.
    public init(from: Int, to: Int, timeZone: String) throws(LifeboatError) {
        let zone = try ZoneClock(named: timeZone)
        guard from != to else { throw LifeboatError(.policy, "the window begins and ends at the same time") }
        self.from = from
        self.to = to
        self.timeZone = timeZone
        self.zone = zone
    }

    /// Reads `HH:MM` as minutes since midnight; `24:00` is the end of the day.
    static func minutes(parsing text: String) throws(LifeboatError) -> Int {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.map(\.utf8.count) == [2, 2], let hour = Int(parts[0]), let minute = Int(parts[1]),
            (0...23).contains(hour) && (0...59).contains(minute) || (hour, minute) == (24, 0)
        else { throw LifeboatError(.policy, "'\(shown(text, limit: 40))' is not a time, want HH:MM in quotes") }
        return hour * 60 + minute
    }

    /// - Parameter moment: milliseconds since 1970.
    public func contains(_ moment: Int64) -> Bool {
        let wall = zone.wall(at: moment.floored(by: 1000))
        let minute = Int(wall - wall.floored(by: 86_400) * 86_400) / 60
        return from < to ? minute >= from && minute < to : minute >= from || minute < to
    }

    /// `22:00 to 06:00 Europe/Berlin`
    public var description: String { "\(RunWindow.text(from)) to \(RunWindow.text(to)) \(timeZone)" }

    private static func text(_ minutes: Int) -> String {
        let parts = [minutes / 60, minutes % 60].map { $0 < 10 ? "0\($0)" : String($0) }
        return parts.joined(separator: ":")
    }

    /// - Throws: `LifeboatError` `.policy` outside of the window.
    func check(_ moment: Int64, _ what: String) throws(LifeboatError) {
        guard !contains(moment) else { return }
        throw LifeboatError(
            .policy, "\(what) outside its window, \(self)",
            advice: "run it within the window, or change window in the definition")
    }
}
