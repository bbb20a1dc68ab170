import Glibc
import OCI
import Synchronization

/// A rule that makes one name of another: a POSIX extended regular expression for the whole name, and what to write
/// instead, with `\1` to `\9` for what its groups matched.
///
/// glibc matches in time proportional to name × pattern, since back-references in the pattern are refused.
public struct Rewrite: Sendable, CustomStringConvertible {
    /// The longest pattern, in bytes.
    public static let patternLimit = 256
    /// The most that counts such as `{3}` may multiply to.
    public static let repetitionLimit = 1000

    public let pattern: String
    public let replacement: String
    private let parts: [Part]
    private let expression: Expression

    private enum Part: Sendable {
        case text(String)
        case group(Int)
    }

    /// - Throws: `LifeboatError` `.policy` for a pattern that cannot be compiled or is beyond a limit, `GroupError` for a
    ///   group in the replacement that the pattern does not have.
    public init(from pattern: String, into replacement: String) throws {
        try Rewrite.check(pattern)
        expression = try Expression("^(" + pattern + ")$", shownAs: pattern)
        parts = try Rewrite.parts(of: replacement, groups: expression.groups - 1)
        self.pattern = pattern
        self.replacement = replacement
    }

    public var description: String { "\(pattern) → \(replacement)" }

    /// What a name becomes; nil if the pattern does not match all of it.
    public func result(for name: String) -> String? {
        guard let groups = expression.match(name) else { return nil }
        return parts.map { part in
            switch part {
            case .text(let text): text
            case .group(let number): groups[number + 1]
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

    private static func check(_ pattern: String) throws {
        let bytes = Array(pattern.utf8)
        guard !bytes.isEmpty else { throw LifeboatError(.policy, "the pattern is empty") }
        guard bytes.count <= patternLimit else {
            throw LifeboatError(.policy, "the pattern has \(bytes.count) bytes, the limit is \(patternLimit)")
        }
        guard !bytes.contains(0) else { throw LifeboatError(.policy, "the pattern has a zero byte") }
        for (first, second) in zip(bytes, bytes.dropFirst())
        where first == UInt8(ascii: "\\") && (UInt8(ascii: "1")...UInt8(ascii: "9")).contains(second) {
            throw LifeboatError(.policy, "back-references (\\1) are not read in a pattern, only in what it becomes")
        }
        var product = 1
        for count in pattern.split(separator: "{").dropFirst() {
            let numbers = count.prefix { $0 != "}" }.split(separator: ",").compactMap { Int($0) }
            product = product.multipliedReportingOverflow(by: max(1, numbers.max() ?? 1)).partialValue
            guard (1...repetitionLimit).contains(product) else {
                throw LifeboatError(
                    .policy, "the repetitions of the pattern multiply to more than \(repetitionLimit)")
            }
        }
    }

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

/// A compiled pattern, freed with its last owner.
private final class Expression: Sendable {
    private let compiled: Mutex<regex_t>
    /// Groups of the pattern, the one around all of it included.
    let groups: Int

    init(_ pattern: String, shownAs text: String) throws {
        var expression = regex_t()
        let code = regcomp(&expression, pattern, REG_EXTENDED)
        guard code == 0 else {
            var words = [CChar](repeating: 0, count: 200)
            regerror(code, &expression, &words, words.count)
            let reason = words.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
            throw LifeboatError(
                .policy,
                "'\(shown(text, limit: 256))' is not a POSIX extended regular expression: "
                    + String(decoding: reason, as: UTF8.self))
        }
        groups = expression.re_nsub
        compiled = Mutex(expression)
    }

    deinit {
        compiled.withLock { regfree(&$0) }
    }

    /// What each group matched, the whole first; empty for a group that had no part in it.
    func match(_ name: String) -> [String]? {
        let bytes = Array(name.utf8)
        guard !bytes.contains(0) else { return nil }
        var matches = [regmatch_t](repeating: regmatch_t(), count: groups + 1)
        guard compiled.withLock({ regexec(&$0, name, matches.count, &matches, 0) }) == 0 else { return nil }
        return matches.map { match in
            match.rm_so < 0 ? "" : String(decoding: bytes[Int(match.rm_so)..<Int(match.rm_eo)], as: UTF8.self)
        }
    }
}
