import OCI

/// Metrics in the text format of Prometheus, version 0.0.4.
struct MetricsText {
    enum Kind: String { case gauge, counter }

    private(set) var text = ""

    /// Adds all samples of one name; none, and the name is not written either.
    mutating func add(
        _ name: String, _ kind: Kind, _ help: String, _ samples: [(labels: [(String, String)], value: Double?)]
    ) {
        let known = samples.compactMap { sample in sample.value.map { (sample.labels, $0) } }
        guard !known.isEmpty else { return }
        text += "# HELP \(name) \(MetricsText.escaped(help, quotes: false))\n# TYPE \(name) \(kind.rawValue)\n"
        for (labels, value) in known {
            let words = labels.map { "\($0)=\"\(MetricsText.escaped($1, quotes: true))\"" }.joined(separator: ",")
            text += name + (words.isEmpty ? "" : "{\(words)}") + " \(MetricsText.number(value))\n"
        }
    }

    private static func escaped(_ text: String, quotes: Bool) -> String {
        var result = ""
        for character in text.unicodeScalars {
            switch character {
            case "\\": result += "\\\\"
            case "\n": result += "\\n"
            case "\"" where quotes: result += "\\\""
            default: result.unicodeScalars.append(character)
            }
        }
        return result
    }

    /// Whole numbers without a point; all digits of the others.
    private static func number(_ value: Double) -> String {
        Int64(exactly: value).map(String.init) ?? "\(value)"
    }
}
