import OCI

/// Numbers as people read them.
public enum Figures {
    /// Bytes in decimal units, three digits.
    public static func bytes(_ bytes: Int64) -> String {
        if bytes < 1000 { return "\(bytes) B" }
        var value = Double(bytes)
        var unit = ""
        for name in ["kB", "MB", "GB", "TB", "PB"] {
            value /= 1000
            unit = name
            if value < 999.5 { break }
        }
        let digits = value < 9.995 ? 2 : value < 99.95 ? 1 : 0
        return decimal(value, digits: digits) + " " + unit
    }

    /// Seconds, two figures or so.
    public static func time(_ seconds: Double) -> String {
        if seconds < 0.9995 { return "\(Int((seconds * 1000).rounded())) ms" }
        if seconds < 59.95 { return decimal(seconds, digits: seconds < 9.95 ? 1 : 0) + " s" }
        let whole = Int(seconds.rounded())
        if whole < 3600 { return "\(whole / 60) min \(whole % 60) s" }
        return "\(whole / 3600) h \(whole % 3600 / 60) min"
    }

    /// `1 image`, `2 images`, `2 repositories`.
    public static func count(_ number: Int, _ noun: String) -> String {
        if number == 1 { return "1 \(noun)" }
        if noun.hasSuffix("y") { return "\(number) \(noun.dropLast())ies" }
        return "\(number) \(noun)s"
    }

    /// A moment in UTC, `2026-11-21T00:42:07Z` (RFC 3339).
    ///
    /// - Parameter milliseconds: since 1970.
    public static func instant(_ milliseconds: Int64) -> String {
        Moment(milliseconds: milliseconds).description
    }

    private static func decimal(_ value: Double, digits: Int) -> String {
        let scale = [1.0, 10, 100][digits]
        let scaled = Int((value * scale).rounded())
        guard digits > 0 else { return "\(scaled)" }
        let fraction = String(scaled % Int(scale))
        return "\(scaled / Int(scale))." + String(repeating: "0", count: digits - fraction.count) + fraction
    }
}
