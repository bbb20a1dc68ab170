import OCI

/// A time back from a backup, such as `2y5m7d3h`: by the calendar, not in seconds.
public struct RetentionSpan: Sendable, Hashable, CustomStringConvertible {
    /// The largest number of one unit.
    static let limit: Int64 = 100_000

    public var years: Int64
    public var months: Int64
    public var days: Int64
    public var hours: Int64

    public init(years: Int64 = 0, months: Int64 = 0, days: Int64 = 0, hours: Int64 = 0) {
        self.years = years
        self.months = months
        self.days = days
        self.hours = hours
    }

    /// Reads numbers with `y`, `m` (months), `d` and `h`, each at most once, in this order, at least one above 0.
    ///
    /// - Throws: `LifeboatError` `.policy`.
    public init(parsing text: String) throws(LifeboatError) {
        self.init()
        var rest = text.utf8[...]
        for (unit, field) in [
            (UInt8(ascii: "y"), \RetentionSpan.years), (UInt8(ascii: "m"), \.months), (UInt8(ascii: "d"), \.days),
            (UInt8(ascii: "h"), \.hours),
        ] {
            let digits = rest.prefix { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
            guard let number = Int64(String(decoding: digits, as: UTF8.self)), number <= RetentionSpan.limit,
                rest.dropFirst(digits.count).first == unit
            else { continue }
            self[keyPath: field] = number
            rest = rest.dropFirst(digits.count + 1)
        }
        guard rest.isEmpty, self != RetentionSpan() else {
            throw LifeboatError(
                .policy,
                "'\(shown(text, limit: 40))' is not a span of time, want years, months, days, hours such as 30d or 2y5m7d3h"
            )
        }
    }

    public var description: String {
        [(years, "y"), (months, "m"), (days, "d"), (hours, "h")].filter { $0.0 != 0 }.map { "\($0.0)\($0.1)" }.joined()
    }

    /// The moment this long before another one: the date goes back first, then the hours.
    ///
    /// - Parameters:
    ///   - moment: seconds since 1970, UTC.
    ///   - offset: seconds that clocks are ahead of UTC at a moment.
    func before(_ moment: Int64, offset: (Int64) -> Int64) -> Int64 {
        var time = CivilTime(moment + offset(moment))
        time.year -= years
        time.month -= months
        time.day -= days
        let clock = time.seconds
        // What the clock was ahead then may not be what it is ahead now.
        let guess = clock - offset(clock)
        return clock - offset(guess) - hours * 3600
    }
}
