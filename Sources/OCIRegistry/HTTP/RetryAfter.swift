/// The `Retry-After` header field (RFC 9110, section 10.2.3).
enum RetryAfter {
    /// How long to wait; nil if the field is absent or means nothing, zero if the time is past.
    ///
    /// - Parameter now: milliseconds since 1970.
    static func wait(_ field: String?, now: Int64) -> Duration? {
        guard let text = field?.trimmed, !text.isEmpty else { return nil }
        if let seconds = Int64(text) { return .seconds(min(max(0, seconds), Int64(1) << 40)) }
        guard let date = date(text) else { return nil }
        return .milliseconds(max(0, date * 1000 - now))
    }

    /// Seconds since 1970 of `Sun, 06 Nov 1994 08:49:37 GMT`; the two forms that are obsolete since 1999 are not read.
    private static func date(_ text: String) -> Int64? {
        let parts = text.split(separator: " ")
        guard parts.count == 6, parts[5] == "GMT", let day = Int64(parts[1]), let month = months[String(parts[2])],
            let year = Int64(parts[3]), (1...31).contains(day), (1970...9999).contains(year)
        else { return nil }
        let clock = parts[4].split(separator: ":").compactMap { Int64($0) }
        guard clock.count == 3, (0...23).contains(clock[0]), (0...59).contains(clock[1]), (0...60).contains(clock[2])
        else { return nil }
        return days(year, month, day) * 86_400 + clock[0] * 3600 + clock[1] * 60 + clock[2]
    }

    private static let months: [String: Int64] = [
        "Jan": 1, "Feb": 2, "Mar": 3, "Apr": 4, "May": 5, "Jun": 6, "Jul": 7, "Aug": 8, "Sep": 9, "Oct": 10,
        "Nov": 11, "Dec": 12,
    ]

    /// Days since 1970 in the Gregorian calendar, with years that begin in March.
    private static func days(_ year: Int64, _ month: Int64, _ day: Int64) -> Int64 {
        let year = month <= 2 ? year - 1 : year
        let dayOfYear = (153 * ((month + 9) % 12) + 2) / 5 + day - 1
        return 365 * year + year / 4 - year / 100 + year / 400 + dayOfYear - 719_468
    }
}

extension StringProtocol {
    /// Without space at both ends.
    var trimmed: String {
        var bare = self[...]
        while let first = bare.first, first.isWhitespace { bare.removeFirst() }
        while let last = bare.last, last.isWhitespace { bare.removeLast() }
        return String(bare)
    }
}
