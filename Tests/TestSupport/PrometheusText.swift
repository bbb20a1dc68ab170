/// The text format of Prometheus, read strictly: what `promtool` and the collectors take, and nothing more.
public struct PrometheusText: Sendable {
    public struct Sample: Sendable, Hashable {
        public var name: String
        public var labels: [String: String]
        public var value: Double
    }

    public struct Fault: Error { public let line: String, reason: String }

    public private(set) var samples: [Sample] = []
    public private(set) var kinds: [String: String] = [:]

    public init(parsing text: String) throws {
        guard text.isEmpty || text.hasSuffix("\n") else { throw Fault(line: "", reason: "the last line has no end") }
        var described: Set<String> = []
        var current: String?
        var seen: Set<[String]> = []
        for line in text.split(separator: "\n", omittingEmptySubsequences: false).dropLast() {
            func fault(_ reason: String) -> Fault { Fault(line: String(line), reason: reason) }
            if line.hasPrefix("# HELP ") {
                let words = line.split(separator: " ", maxSplits: 3)
                guard words.count == 4, described.insert(String(words[2])).inserted else { throw fault("help") }
                current = String(words[2])
            } else if line.hasPrefix("# TYPE ") {
                let words = line.split(separator: " ")
                guard words.count == 4, String(words[2]) == current, ["gauge", "counter"].contains(words[3]),
                    kinds.updateValue(String(words[3]), forKey: String(words[2])) == nil
                else { throw fault("type") }
                if words[3] == "counter", !words[2].hasSuffix("_total") { throw fault("a counter without _total") }
            } else {
                var scanner = Scanner(rest: line)
                guard let sample = scanner.sample() else { throw fault("not a sample") }
                guard sample.name == current, kinds[sample.name] != nil else { throw fault("not under its help") }
                let labels = sample.labels.sorted { $0.key < $1.key }.flatMap { [$0.key, $0.value] }
                guard seen.insert([sample.name] + labels).inserted else { throw fault("stands twice") }
                samples.append(sample)
            }
        }
        for name in kinds.keys where !samples.contains(where: { $0.name == name }) {
            throw Fault(line: name, reason: "has no sample")
        }
    }

    /// The value of the only sample with these labels among its own.
    public func value(_ name: String, _ labels: [String: String] = [:]) -> Double? {
        let found = samples.filter { sample in
            sample.name == name && labels.allSatisfy { sample.labels[$0.key] == $0.value }
        }
        return found.count == 1 ? found[0].value : nil
    }
}

private struct Scanner {
    var rest: Substring

    mutating func take(_ character: Character) -> Bool {
        guard rest.first == character else { return false }
        rest = rest.dropFirst()
        return true
    }

    mutating func name() -> String? {
        func isLetter(_ character: Character) -> Bool {
            character.isASCII && (character.isLetter || character == "_")
        }
        guard let first = rest.first, isLetter(first) else { return nil }
        let name = rest.prefix { isLetter($0) || $0.isASCII && $0.isNumber }
        rest = rest[name.endIndex...]
        return String(name)
    }

    mutating func text() -> String? {
        guard take("\"") else { return nil }
        var text = ""
        while let character = rest.popFirst() {
            switch character {
            case "\"": return text
            case "\\":
                switch rest.popFirst() {
                case "\\": text += "\\"
                case "\"": text += "\""
                case "n": text += "\n"
                default: return nil
                }
            default: text.append(character)
            }
        }
        return nil
    }

    mutating func sample() -> PrometheusText.Sample? {
        guard let name = name() else { return nil }
        var labels: [String: String] = [:]
        if take("{") {
            repeat {
                guard let label = self.name(), take("="), let value = text(),
                    labels.updateValue(value, forKey: label) == nil
                else { return nil }
            } while take(",")
            guard take("}") else { return nil }
        }
        guard take(" "), !rest.isEmpty, !rest.contains(" "), let value = Double(rest) else { return nil }
        return PrometheusText.Sample(name: name, labels: labels, value: value)
    }
}
