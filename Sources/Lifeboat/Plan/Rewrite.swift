import OCI

/// A rule that makes one name of another: a POSIX extended regular expression for the whole name, and what to write
/// instead, with `\1` to `\9` for what its groups matched.
public struct Rewrite: Sendable, CustomStringConvertible {
    public let pattern: String
    public let replacement: String
    private let parts: [Part]
    private let expression: NameRegex

    private enum Part: Sendable {
        case text(String)
        case group(Int)
    }

    /// - Throws: `LifeboatError` `.policy` for a pattern that cannot be compiled or is beyond a limit, `GroupError` for a
    ///   group in the replacement that the pattern does not have.
    public init(from pattern: String, into replacement: String) throws {
        expression = try NameRegex(pattern)
        parts = try Rewrite.parts(of: replacement, groups: expression.groupCount)
        self.pattern = pattern
        self.replacement = replacement
    }

    public var description: String { "\(pattern) → \(replacement)" }

    /// What a name becomes; nil if the pattern does not match all of it.
    public func result(for name: String) -> String? {
        guard let groups = expression.groups(in: name) else { return nil }
        return parts.map { part in
            switch part {
            case .text(let text): text
            case .group(let number): groups[number - 1]
            }
        }.joined()
    }

    /// What is wrong with what a name becomes.
    struct GroupError: Failure {
        let description: String
        var kind: FailureKind { .policy }
        var advice: String? { nil }
    }

    // MARK: Reading

    private static func parts(of replacement: String, groups: Int) throws -> [Part] {
        var parts: [Part] = []
        var text = ""
        var rest = replacement[...]
        while let character = rest.popFirst() {
            guard character == "\\" else {
                text.append(character)
                continue
            }
            guard let next = rest.popFirst(), next.isASCII, let number = next.wholeNumberValue, number > 0 else {
                throw GroupError(description: "a backslash stands for a group of the pattern, want \\1 to \\9")
            }
            guard number <= groups else {
                throw GroupError(
                    description:
                        "\\\(number) is not there: the pattern has \(groups == 1 ? "1 group" : "\(groups) groups")")
            }
            if !text.isEmpty { parts.append(.text(text)) }
            text = ""
            parts.append(.group(number))
        }
        return text.isEmpty ? parts : parts + [.text(text)]
    }
}

extension [Rewrite] {
    /// What the first rule that matches makes of a name.
    func firstResult(for name: String) -> String? {
        for rewrite in self {
            if let result = rewrite.result(for: name) { return result }
        }
        return nil
    }
}
