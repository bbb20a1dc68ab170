/// A version range of another tool as a list of comparisons.
enum SemverRange {
    /// Reads comparisons between which commas or spaces stand, `^1.2.3` and `~1.2`.
    ///
    /// - Returns: nil for alternatives, hyphen ranges and wildcards.
    static func convert(_ range: String) -> String? {
        var parts: [String] = []
        var pending = ""
        for word in range.split(whereSeparator: { $0 == " " || $0 == "," }).map(String.init) {
            if word.allSatisfy({ "<>=!~^".contains($0) }) {
                pending += word
                continue
            }
            guard let part = comparison(pending + word) else { return nil }
            parts.append(part)
            pending = ""
        }
        return parts.isEmpty || !pending.isEmpty ? nil : parts.joined(separator: " ")
    }

    private static func comparison(_ text: String) -> String? {
        let symbol = text.prefix { "<>=!~^".contains($0) }
        var version = text.dropFirst(symbol.count)
        if version.hasPrefix("v") { version = version.dropFirst() }
        let core = version.prefix { $0.isNumber || $0 == "." }
        let numbers = core.split(separator: ".", omittingEmptySubsequences: false).map { Int($0) }
        guard (1...3).contains(numbers.count), numbers.allSatisfy({ $0 != nil }) else { return nil }
        let parts = numbers.compactMap(\.self)
        if core.count < version.count, version[core.endIndex] != "-", version[core.endIndex] != "+" { return nil }
        switch symbol {
        case "", "=", "==": return parts.count == 3 ? "=\(version)" : nil
        case ">", ">=", "<", "<=": return "\(symbol)\(version)"
        case "^":
            // Up to the next change of the leftmost number that is not zero.
            let place = parts.firstIndex { $0 != 0 } ?? parts.count - 1
            return ">=\(version) <\(next(parts, at: place))"
        case "~": return ">=\(version) <\(next(parts, at: min(1, parts.count - 1)))"
        default: return nil
        }
    }

    private static func next(_ parts: [Int], at place: Int) -> String {
        var bound = Array(parts.prefix(place + 1))
        bound[place] += 1
        return (bound + Array(repeating: 0, count: 3 - bound.count)).map(String.init).joined(separator: ".")
    }
}
