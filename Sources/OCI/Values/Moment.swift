/// A moment in UTC, to the second, in the Gregorian calendar.
public struct Moment: Hashable, Sendable {
    /// Seconds since 1970-01-01T00:00:00Z.
    public var seconds: Int64

    public init(_ seconds: Int64) {
        self.seconds = seconds
    }

    /// - Parameter milliseconds: since 1970, as `Surroundings.now` gives them.
    public init(milliseconds: Int64) {
        seconds = milliseconds.floored(by: 1000)
    }
}

extension Moment: Comparable {
    public static func < (a: Moment, b: Moment) -> Bool { a.seconds < b.seconds }
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

extension Moment {
    /// Reads RFC 3339, such as `2026-11-20T08:30:00+01:00`; a fraction of a second is dropped.
    ///
    /// - Throws: `OCIError` `.usage` for anything else.
    public init(parsing text: String) throws(OCIError) {
        guard let seconds = Moment.seconds(of: text) else {
            throw OCIError(
                .usage, "'\(shown(text, limit: 80))' is not a time",
                advice: "write it as in 2026-11-20T08:30:00Z or 2026-11-20T08:30:00+01:00 (RFC 3339)")
        }
        self.seconds = seconds
    }

    private static func seconds(of text: String) -> Int64? {
        var rest = Array(text.utf8)[...]
        func number(_ digits: Int) -> Int64? {
            guard rest.count >= digits else { return nil }
            var value: Int64 = 0
            for byte in rest.prefix(digits) {
                guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) else { return nil }
                value = value * 10 + Int64(byte - UInt8(ascii: "0"))
            }
            rest = rest.dropFirst(digits)
            return value
        }
        func sign(_ wanted: String) -> UInt8? {
            guard let byte = rest.first, wanted.utf8.contains(byte) else { return nil }
            rest = rest.dropFirst()
            return byte
        }
        guard let year = number(4), sign("-") != nil, let month = number(2), sign("-") != nil, let day = number(2),
            sign("Tt ") != nil, let hour = number(2), sign(":") != nil, let minute = number(2), sign(":") != nil,
            let second = number(2), (1...12).contains(month), (1...Moment.days(of: month, year)).contains(day),
            hour < 24, minute < 60, second <= 60
        else { return nil }
        if sign(".") != nil {
            guard number(1) != nil else { return nil }
            while number(1) != nil {}
        }
        guard let zone = sign("Zz+-") else { return nil }
        var offset: Int64 = 0
        if zone == UInt8(ascii: "+") || zone == UInt8(ascii: "-") {
            guard let hours = number(2), sign(":") != nil, let minutes = number(2), hours < 24, minutes < 60 else {
                return nil
            }
            offset = (hours * 3600 + minutes * 60) * (zone == UInt8(ascii: "+") ? 1 : -1)
        }
        guard rest.isEmpty else { return nil }
        let shifted = month <= 2 ? year - 1 : year
        let dayOfYear = (153 * ((month + 9) % 12) + 2) / 5 + day - 1
        let era = shifted.floored(by: 400)
        let yearOfEra = shifted - era * 400
        let days = era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
        return days * 86_400 + hour * 3600 + minute * 60 + second - offset
    }

    private static func days(of month: Int64, _ year: Int64) -> Int64 {
        switch month {
        case 2: year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28
        case 4, 6, 9, 11: 30
        default: 31
        }
    }
}

extension Int64 {
    fileprivate func floored(by divisor: Int64) -> Int64 {
        let quotient = self / divisor
        return self % divisor < 0 ? quotient - 1 : quotient
    }
}

private func padded(_ number: Int64, _ width: Int = 2) -> String {
    let digits = String(number)
    return String(repeating: "0", count: max(0, width - digits.count)) + digits
}
