import OCI

/// Amounts with a unit, as people write them in a definition.
enum Quantity {
    /// Reads `10s`, `500ms`, `2m` or `1h`: above 0, a day at most.
    static func duration(_ text: String) throws(LifeboatError) -> Duration {
        let units: [(String, Int)] = [("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000)]
        let number = text.prefix { $0.isASCII && $0.isNumber }
        guard let count = Int(number), let unit = units.first(where: { $0.0 == text.dropFirst(number.count) })?.1,
            count > 0, count <= 86_400_000 / unit
        else {
            throw LifeboatError(
                .policy, "'\(shown(text, limit: 40))' is not a time, want a number with ms, s, m or h, such as 30s")
        }
        return .milliseconds(count * unit)
    }

    /// Reads `7d`, `12h`, `30m` or `0s`: how often something is done again, a year at most, 0 for each time.
    static func interval(_ text: String) throws(LifeboatError) -> Duration {
        let units: [Substring: Int] = ["s": 1, "m": 60, "h": 3600, "d": 86_400]
        let number = text.prefix { $0.isASCII && $0.isNumber }
        guard let count = Int(number), let unit = units[text.dropFirst(number.count)],
            count <= 366 * 86_400 / unit
        else {
            throw LifeboatError(
                .policy,
                "'\(shown(text, limit: 40))' is not an interval, want a number with s, m, h or d, such as 7d, or 0s for "
                    + "each time")
        }
        return .seconds(count * unit)
    }

    /// Reads `50/s` or `3000/m`: requests a second.
    static func rate(_ text: String) throws(LifeboatError) -> Double {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        let units: [Substring: Double] = ["s": 1, "m": 60, "h": 3600]
        guard parts.count == 2, let count = number(parts[0]), let unit = units[parts[1]], count / unit >= 0.001 else {
            throw LifeboatError(
                .policy, "'\(shown(text, limit: 40))' is not a rate, want a number with /s, /m or /h, such as 50/s")
        }
        return count / unit
    }

    /// Reads `200MB/s`: bytes a second, in kB, MB, GB (powers of 1000) or KiB, MiB, GiB (of 1024).
    static func bandwidth(_ text: String) throws(LifeboatError) -> Int64 {
        let units: [(String, Double)] = [
            ("KiB", 1024), ("MiB", 1_048_576), ("GiB", 1_073_741_824), ("kB", 1e3), ("KB", 1e3), ("MB", 1e6),
            ("GB", 1e9), ("B", 1),
        ]
        guard text.hasSuffix("/s"), let unit = units.first(where: { text.dropLast(2).hasSuffix($0.0) }),
            let count = number(text.dropLast(2 + unit.0.count)), (1024...1e12).contains(count * unit.1)
        else {
            throw LifeboatError(
                .policy,
                "'\(shown(text, limit: 40))' is not a bandwidth, want a number with kB/s, MB/s or GB/s, such as 200MB/s"
            )
        }
        return Int64(count * unit.1)
    }

    /// Reads `50GB` or `650MiB`: bytes, in kB, MB, GB, TB (powers of 1000) or KiB, MiB, GiB, TiB (of 1024).
    static func size(_ text: String) throws(LifeboatError) -> Int64 {
        let units: [(String, Double)] = [
            ("KiB", 1024), ("MiB", 1_048_576), ("GiB", 1_073_741_824), ("TiB", 1_099_511_627_776), ("kB", 1e3),
            ("KB", 1e3), ("MB", 1e6), ("GB", 1e9), ("TB", 1e12), ("B", 1), ("", 1),
        ]
        guard let unit = units.first(where: { text.hasSuffix($0.0) }),
            let count = number(text.dropLast(unit.0.count)), (1...1e15).contains(count * unit.1)
        else {
            throw LifeboatError(
                .policy, "'\(shown(text, limit: 40))' is not a size, want a number with MB, GB or TB, such as 50GB")
        }
        return Int64(count * unit.1)
    }

    /// Reads a whole number in a range.
    static func count(_ text: String, in range: ClosedRange<Int>) throws(LifeboatError) -> Int {
        guard text.utf8.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }), let number = Int(text),
            range.contains(number)
        else {
            throw LifeboatError(
                .policy, "'\(shown(text, limit: 40))' is not a number from \(range.lowerBound) to \(range.upperBound)")
        }
        return number
    }

    /// Digits with at most one point, above 0.
    private static func number(_ text: Substring) -> Double? {
        guard text.utf8.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) || $0 == UInt8(ascii: ".") }),
            let number = Double(text), number > 0, number.isFinite
        else { return nil }
        return number
    }
}
