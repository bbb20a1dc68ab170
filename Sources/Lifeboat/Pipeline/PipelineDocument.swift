import OCI
import Yams

/// Makes one YAML node of a file, within bounds: no anchors, one document, no duplicate keys, 1 MiB.
enum PipelineDocument {
    static let sizeLimit = 1 << 20

    static func parse(_ bytes: [UInt8], file: String) throws(DefinitionError) -> Node {
        let text = try text(of: bytes, file: file)
        if let anchor = anchors(in: text, limit: 1).first {
            // Refused before parsing: an alias can stand for ten thousand million nodes.
            throw DefinitionError(
                file: file,
                faults: [
                    DefinitionError.Fault(
                        line: anchor.line, column: anchor.column, key: key(onLine: anchor.line, of: text),
                        reason: "anchors (&) and aliases (*) are not read; put the value in quotes if it is a text")
                ])
        }
        return try compose(text, file: file) { node in node }
    }

    /// The text of a file, within bounds.
    static func text(of bytes: [UInt8], file: String) throws(DefinitionError) -> String {
        guard bytes.count <= sizeLimit else {
            throw refusal(file, "the file has \(bytes.count) bytes, the limit is \(sizeLimit)")
        }
        var content = bytes[...]
        if content.starts(with: [0xef, 0xbb, 0xbf]) { content = content.dropFirst(3) }
        guard let text = String(validating: content, as: UTF8.self) else {
            throw refusal(file, "the file is not UTF-8 text")
        }
        guard !text.utf8.allSatisfy({ $0 == 0x20 || $0 == 0x0a || $0 == 0x0d }) else {
            throw refusal(file, "the file is empty")
        }
        return text
    }

    /// The one node of a text.
    ///
    /// - Parameter use: is called while the nodes know their anchors.
    static func compose(_ text: String, file: String, _ use: (Node) throws -> Node) throws(DefinitionError) -> Node {
        func fail(_ reason: String, line: Int = 1, column: Int = 1) -> DefinitionError {
            refusal(file, reason, line: line, column: column)
        }
        do {
            // `basic` leaves `no` and `1.10` what they are: text.
            let parser = try Parser(yaml: text, resolver: .basic)
            guard let node = try parser.nextRoot() else { throw fail("the file has no content") }
            if try parser.nextRoot() != nil { throw fail("the file has more than one document, want one") }
            return try withExtendedLifetime(parser) { try use(node) }
        } catch let error as DefinitionError {
            throw error
        } catch let error as YamlError {
            throw failure(of: error, fail: fail)
        } catch {
            throw fail(shown("\(error)", limit: 200))
        }
    }

    static func refusal(_ file: String, _ reason: String, line: Int = 1, column: Int = 1) -> DefinitionError {
        DefinitionError(
            file: file, faults: [DefinitionError.Fault(line: line, column: column, key: "", reason: reason)])
    }

    /// The key that stands before a value, if one does.
    private static func key(onLine line: Int, of text: String) -> String {
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        guard lines.indices.contains(line - 1), let colon = lines[line - 1].firstIndex(of: ":") else { return "" }
        return shown(String(lines[line - 1][..<colon].drop { $0 == " " || $0 == "-" }), limit: 80)
    }

    private static func failure(
        of error: YamlError, fail: (_ reason: String, _ line: Int, _ column: Int) -> DefinitionError
    ) -> DefinitionError {
        switch error {
        case .scanner(_, let problem, let mark, _), .parser(_, let problem, let mark, _),
            .composer(_, let problem, let mark, _):
            fail("not valid YAML: \(problem)", mark.line, mark.column)
        case .duplicatedKeysInMapping(let duplicates, let context):
            fail(
                "the key '\(shown(duplicates.sorted().joined(separator: "', '"), limit: 200))' stands twice",
                context.mark.line, context.mark.column)
        case .reader(let problem, _, _, _): fail("not valid YAML: \(problem)", 1, 1)
        default: fail("not valid YAML", 1, 1)
        }
    }

    /// An anchor or alias: `&` or `*` at the beginning of a value, outside quotes and comments.
    struct Anchor {
        var line: Int
        var column: Int
        /// Bytes before it.
        var offset: Int
        var isAlias: Bool
    }

    /// Errs on the side of finding too many. A glob such as `**` has to be in quotes in YAML anyway.
    static func anchors(in text: String, limit: Int) -> [Anchor] {
        var found: [Anchor] = []
        enum Quote { case single, double }
        var line = 1
        var column = 0
        var quote: Quote?
        var isEscaped = false
        var isComment = false
        var previous: UInt8 = 0x20
        var beginsValue = true
        for (offset, byte) in text.utf8.enumerated() {
            column += 1
            if byte == 0x0a {
                line += 1
                column = 0
                isComment = false
                previous = 0x20
                beginsValue = true
                continue
            }
            if isComment { continue }
            switch quote {
            case .double:
                if isEscaped {
                    isEscaped = false
                } else if byte == UInt8(ascii: "\\") {
                    isEscaped = true
                } else if byte == UInt8(ascii: "\"") {
                    quote = nil
                }
            case .single:
                if byte == UInt8(ascii: "'") { quote = nil }
            case nil:
                let isSpace = previous == 0x20 || previous == 0x09
                switch byte {
                case UInt8(ascii: "#") where isSpace: isComment = true
                case UInt8(ascii: "\"") where beginsValue:
                    quote = .double
                    beginsValue = false
                case UInt8(ascii: "'") where beginsValue:
                    quote = .single
                    beginsValue = false
                case UInt8(ascii: "&") where beginsValue, UInt8(ascii: "*") where beginsValue:
                    found.append(
                        Anchor(line: line, column: column, offset: offset, isAlias: byte == UInt8(ascii: "*")))
                    if found.count == limit { return found }
                    beginsValue = false
                case 0x20, 0x09:
                    if previous == UInt8(ascii: ":") || previous == UInt8(ascii: "-") { beginsValue = true }
                case UInt8(ascii: "["), UInt8(ascii: "{"), UInt8(ascii: ","): beginsValue = true
                case UInt8(ascii: "-") where beginsValue, UInt8(ascii: "?") where beginsValue: break
                default: beginsValue = false
                }
            }
            previous = byte
        }
        return found
    }
}
