import OCI
import Yams

/// Another tool's YAML, where anchors and aliases are customary: they are expanded here, within bounds.
///
/// The parser never sees an alias. It would expand them itself without a limit, and hash a nested one for minutes.
enum ForeignDocument {
    /// Nodes after the expansion.
    static let nodeLimit = 100_000
    static let depthLimit = 64
    static let aliasLimit = 10_000

    /// Begins a text that stands for an alias: of the private use area, so that no file has it by chance.
    private static let marker: Unicode.Scalar = "\u{f8ff}"

    static func parse(_ bytes: [UInt8], file: String) throws(DefinitionError) -> Node {
        let text = try PipelineDocument.text(of: bytes, file: file)
        guard !text.unicodeScalars.contains(marker) else {
            throw PipelineDocument.refusal(file, "the file has a character of the private use area, U+F8FF")
        }
        let marked = try withoutAliases(text, file: file)
        return try PipelineDocument.compose(marked, file: file) { node in
            var expansion = Expansion(file: file)
            return try expansion.expand(node, depth: 0).node
        }
    }

    /// The text with a quoted scalar in place of each alias; lines stay what they are.
    private static func withoutAliases(_ text: String, file: String) throws(DefinitionError) -> String {
        let aliases = PipelineDocument.anchors(in: text, limit: aliasLimit + 1).filter(\.isAlias)
        guard aliases.count <= aliasLimit else {
            throw PipelineDocument.refusal(file, "the file has more than \(aliasLimit) aliases")
        }
        let bytes = Array(text.utf8)
        var result: [UInt8] = []
        var position = 0
        for alias in aliases {
            var end = alias.offset + 1
            while end < bytes.count, isPartOfName(bytes[end]) { end += 1 }
            // `**` and the like are globs that somebody forgot to quote: the parser says so.
            guard end > alias.offset + 1 else { continue }
            result += bytes[position..<alias.offset]
            result += Array("\"\(marker)".utf8) + bytes[(alias.offset + 1)..<end] + [UInt8(ascii: "\"")]
            position = end
        }
        result += bytes[position...]
        return String(decoding: result, as: UTF8.self)
    }

    private static func isPartOfName(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "."):
            true
        default: false
        }
    }

    private struct Expansion {
        let file: String
        var anchors: [String: (node: Node, count: Int)] = [:]
        var total = 0

        mutating func expand(_ node: Node, depth: Int) throws(DefinitionError) -> (node: Node, count: Int) {
            guard depth <= depthLimit else { throw refuse(node, "it is nested deeper than \(depthLimit)") }
            try spend(1, at: node)
            switch node {
            case .alias: throw refuse(node, "an alias stands where none can be read")
            case .scalar(let scalar):
                if scalar.string.unicodeScalars.first == marker {
                    let name = String(scalar.string.unicodeScalars.dropFirst())
                    guard let known = anchors[name] else { throw refuse(node, "there is no anchor '\(shown(name))'") }
                    try spend(known.count, at: node)
                    return known
                }
                return register((node, 1), as: scalar.anchor)
            case .sequence(let sequence):
                var items: [Node] = []
                var count = 1
                for item in sequence {
                    let expanded = try expand(item, depth: depth + 1)
                    items.append(expanded.node)
                    count += expanded.count
                }
                return register(
                    (.sequence(Node.Sequence(items, sequence.tag, sequence.style, sequence.mark)), count),
                    as: sequence.anchor)
            case .mapping(let mapping):
                var pairs: [(Node, Node)] = []
                var count = 1
                for (key, value) in mapping {
                    guard case .scalar(let name) = key, name.string.unicodeScalars.first != marker else {
                        throw refuse(key, "a key must be a plain word")
                    }
                    let expanded = try expand(value, depth: depth + 1)
                    pairs.append((key, expanded.node))
                    count += 1 + expanded.count
                }
                return register(
                    (.mapping(Node.Mapping(pairs, mapping.tag, mapping.style, mapping.mark)), count),
                    as: mapping.anchor)
            }
        }

        private mutating func register(_ result: (node: Node, count: Int), as anchor: Anchor?) -> (
            node: Node, count: Int
        ) {
            if let anchor { anchors[anchor.rawValue] = result }
            return result
        }

        private mutating func spend(_ count: Int, at node: Node) throws(DefinitionError) {
            total += count
            guard total <= nodeLimit else { throw refuse(node, "aliases expand it to more than \(nodeLimit) nodes") }
        }

        private func refuse(_ node: Node, _ reason: String) -> DefinitionError {
            PipelineDocument.refusal(file, reason, line: node.mark?.line ?? 1, column: node.mark?.column ?? 1)
        }
    }
}
