import OCI

/// A length of time as objectives are written: `90s`, `30m`, `24h`, `7d`.
public struct TimeSpan: Sendable, Hashable {
    /// The longest, ten years.
    private static let limit = 3650.0 * 86_400

    public let seconds: Double

    /// - Throws: `LifeboatError` `.usage` for anything else, nothing, and more than ten years.
    public init(parsing text: String) throws(LifeboatError) {
        let units: [Substring: Double] = ["s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800]
        let number = text.prefix { $0.isASCII && $0.isNumber }
        guard let count = Int(number), let unit = units[text.dropFirst(number.count)], count > 0,
            Double(count) * unit <= TimeSpan.limit
        else {
            throw LifeboatError(
                .usage, "'\(shown(text, limit: 40))' is not a length of time",
                advice: "a number with s, m, h, d or w, such as 30m or 24h")
        }
        seconds = Double(count) * unit
    }
}
