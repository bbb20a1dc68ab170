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
        let (date, time) = (date, time)
        return "\(padded(date.year, 4))-\(padded(date.month))-\(padded(date.day))"
            + "T\(padded(time.hour)):\(padded(time.minute)):\(padded(time.second))Z"
    }

    /// `20261121T004207Z` (ISO 8601, basic format): for names of files.
    public var compact: String {
        let (date, time) = (date, time)
        return "\(padded(date.year, 4))\(padded(date.month))\(padded(date.day))"
            + "T\(padded(time.hour))\(padded(time.minute))\(padded(time.second))Z"
    }

    private var time: (hour: Int64, minute: Int64, second: Int64) {
        let inDay = seconds - seconds.floored(by: 86_400) * 86_400
        return (inDay / 3600, inDay / 60 % 60, inDay % 60)
    }

    /// From days since 1 March of year 0, in eras of 400 years, each year beginning in March.
    private var date: (year: Int64, month: Int64, day: Int64) {
        let shifted = seconds.floored(by: 86_400) + 719_468
        let era = shifted.floored(by: 146_097)
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shiftedMonth = (5 * dayOfYear + 2) / 153
        let month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
        return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, dayOfYear - (153 * shiftedMonth + 2) / 5 + 1)
    }
}

extension Int64 {
    /// Divided, and rounded down.
    func floored(by divisor: Int64) -> Int64 {
        let quotient = self / divisor
        return self % divisor < 0 ? quotient - 1 : quotient
    }
}

private func padded(_ number: Int64, _ width: Int = 2) -> String {
    let digits = String(number)
    return String(repeating: "0", count: max(0, width - digits.count)) + digits
}
