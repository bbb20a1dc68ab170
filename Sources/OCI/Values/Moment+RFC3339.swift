extension Moment {
    /// Reads RFC 3339, such as `2026-11-20T08:30:00.5+01:00`.
    ///
    /// - Throws: `OCIError` `.usage` for anything else.
    public init(parsing text: String) throws(OCIError) {
        guard let moment = Moment(rfc3339: text) else {
            throw OCIError(
                .usage, "'\(shown(text, limit: 80))' is not a time",
                advice: "write it as in 2026-11-20T08:30:00Z or 2026-11-20T08:30:00+01:00 (RFC 3339)")
        }
        self = moment
    }

    /// The same for what strangers have written; digits beyond a billionth of a second are dropped.
    public init?(rfc3339 text: String) {
        var reader = Reader(rest: Array(text.utf8)[...])
        guard let date = reader.date(), reader.sign("Tt ") != nil, let time = reader.time(),
            let fraction = reader.fraction(), let offset = reader.offset(), reader.rest.isEmpty
        else { return nil }
        self.init(date + time - offset)
        nanoseconds = fraction
    }

    /// Takes the parts of a time off the front of a text, each in seconds; nil for what is none.
    private struct Reader {
        var rest: ArraySlice<UInt8>

        mutating func number(_ digits: Int) -> Int64? {
            guard rest.count >= digits else { return nil }
            var value: Int64 = 0
            for byte in rest.prefix(digits) {
                guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) else { return nil }
                value = value * 10 + Int64(byte - UInt8(ascii: "0"))
            }
            rest = rest.dropFirst(digits)
            return value
        }

        mutating func sign(_ wanted: String) -> UInt8? {
            guard let byte = rest.first, wanted.utf8.contains(byte) else { return nil }
            rest = rest.dropFirst()
            return byte
        }

        /// From 1970 on to the beginning of the day.
        mutating func date() -> Int64? {
            guard let year = number(4), sign("-") != nil, let month = number(2), sign("-") != nil, let day = number(2),
                (1...12).contains(month)
            else { return nil }
            let date = CivilDate(year: Int(year), month: Int(month), day: Int(day))
            let days = CivilDate.days(inMonth: date.month, isLeap: CivilDate.isLeap(date.year))
            return (1...days).contains(date.day) ? Int64(date.dayNumber) * 86_400 : nil
        }

        /// Within the day; a leap second is the first of the next minute.
        mutating func time() -> Int64? {
            guard let hour = number(2), sign(":") != nil, let minute = number(2), sign(":") != nil,
                let second = number(2), hour < 24, minute < 60, second <= 60
            else { return nil }
            return hour * 3600 + minute * 60 + second
        }

        /// Nanoseconds; 0 where there is no fraction.
        mutating func fraction() -> Int64? {
            guard sign(".") != nil else { return 0 }
            guard let first = number(1) else { return nil }
            var (value, scale): (Int64, Int64) = (first * 100_000_000, 100_000_000)
            while let digit = number(1) {
                scale /= 10
                value += digit * scale
            }
            return value
        }

        /// How far the clock is before UTC.
        mutating func offset() -> Int64? {
            guard let zone = sign("Zz+-") else { return nil }
            guard zone == UInt8(ascii: "+") || zone == UInt8(ascii: "-") else { return 0 }
            guard let hours = number(2), sign(":") != nil, let minutes = number(2), hours < 24, minutes < 60 else {
                return nil
            }
            return (hours * 3600 + minutes * 60) * (zone == UInt8(ascii: "+") ? 1 : -1)
        }
    }
}
