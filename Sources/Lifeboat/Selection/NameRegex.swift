import Glibc
import OCI
import Synchronization

/// A POSIX extended regular expression for whole names, whose matching takes no time worth bounding.
///
/// glibc's and not Swift's, which backtracks: `(a+)+$` on a name of 27 characters took it over 100 seconds.
public struct NameRegex: Hashable, Sendable, CustomStringConvertible {
    /// The most characters that an expression may stand for when its repetitions are written out.
    public static let expandedLimit = 2_000

    public let description: String
    private let compiled: Compiled

    /// - Throws: `LifeboatError` of kind `.policy` for what is no regular expression, is beyond a limit, or refers back.
    public init(_ pattern: some StringProtocol) throws(LifeboatError) {
        let text = String(pattern)
        func refused(_ reason: String) -> LifeboatError {
            LifeboatError(.policy, "'\(shown(text, limit: 100))' is not a regular expression that is taken: \(reason)")
        }
        guard !text.isEmpty else { throw refused("it is empty") }
        guard text.count <= NamePattern.lengthLimit else {
            throw LifeboatError(
                .policy,
                "the regular expression has \(text.count) characters, the limit is \(NamePattern.lengthLimit)")
        }
        guard !text.utf8.contains(0) else { throw refused("it has a zero character") }
        guard let expanded = NameRegex.expandedCount(Array(text.utf8)) else {
            throw refused("it refers back (\\1), which cannot be matched in bounded time")
        }
        guard expanded <= NameRegex.expandedLimit else {
            throw refused(
                "its repetitions stand for more than \(NameRegex.expandedLimit) characters when written out")
        }
        // First by itself: `a)(b` is wrong, and would be right between two brackets.
        if let reason = Compiled.fault(in: text) { throw refused(reason) }
        guard let compiled = Compiled("^(" + text + ")$") else { throw refused("it cannot be compiled") }
        self.compiled = compiled
        description = text
    }

    public func matches(_ name: some StringProtocol) -> Bool { compiled.matches(String(name)) }

    /// How many groups the expression has.
    var groupCount: Int { compiled.groupCount }

    /// What each group matched, the first one first; empty for a group that had no part in it. Nil if the expression
    /// does not match all of the name.
    func groups(in name: String) -> [String]? { compiled.groups(in: name) }

    public static func == (a: NameRegex, b: NameRegex) -> Bool { a.description == b.description }
    public func hash(into hasher: inout Hasher) { hasher.combine(description) }

    /// How many single-character expressions the pattern has once `{n,m}` are written out; nil if it refers back.
    ///
    /// glibc does write them out: `((a{255}){255}){255}` would take all memory.
    private static func expandedCount(_ pattern: [UInt8]) -> Int? {
        var groups: [(total: Int, last: Int)] = [(0, 0)]
        var index = 0
        func atom() {
            groups[groups.count - 1].total += 1
            groups[groups.count - 1].last = 1
        }
        while index < pattern.count {
            let byte = pattern[index]
            index += 1
            switch byte {
            case UInt8(ascii: "\\"):
                if index < pattern.count, (UInt8(ascii: "1")...UInt8(ascii: "9")).contains(pattern[index]) {
                    return nil
                }
                index += 1
                atom()
            case UInt8(ascii: "["):
                index = endOfBracket(pattern, from: index)
                atom()
            case UInt8(ascii: "("): groups.append((0, 0))
            case UInt8(ascii: ")") where groups.count > 1:
                let inner = groups.removeLast().total
                groups[groups.count - 1].total += inner
                groups[groups.count - 1].last = inner
            case UInt8(ascii: "{"):
                guard let end = pattern[index...].firstIndex(of: UInt8(ascii: "}")) else { continue }
                let bounds = pattern[index..<end].split(separator: UInt8(ascii: ","))
                    .map { Int(String(decoding: $0, as: UTF8.self)) ?? 1 }
                let times = min(max(bounds.max() ?? 1, 1), 100_000)
                index = end + 1
                let last = groups[groups.count - 1].last
                let more = min(last * times, 1_000_000_000)
                groups[groups.count - 1].total = min(groups[groups.count - 1].total + more - last, 1_000_000_000)
                groups[groups.count - 1].last = more
            default: atom()
            }
        }
        return min(groups.reduce(0) { $0 + $1.total }, 1_000_000_000)
    }

    /// Behind the `]` that closes a bracket expression, in which `]` may come first and `[:alpha:]` stand.
    private static func endOfBracket(_ pattern: [UInt8], from start: Int) -> Int {
        var index = start
        if index < pattern.count, pattern[index] == UInt8(ascii: "^") { index += 1 }
        if index < pattern.count, pattern[index] == UInt8(ascii: "]") { index += 1 }
        while index < pattern.count, pattern[index] != UInt8(ascii: "]") {
            if pattern[index] == UInt8(ascii: "["), index + 1 < pattern.count, ":.=".utf8.contains(pattern[index + 1]) {
                let kind = pattern[index + 1]
                index += 2
                while index + 1 < pattern.count, !(pattern[index] == kind && pattern[index + 1] == UInt8(ascii: "]")) {
                    index += 1
                }
                index += 1
            }
            index += 1
        }
        return min(index + 1, pattern.count)
    }
}

extension NameRegex {
    /// What regcomp(3) made, freed with the last pattern that uses it.
    private final class Compiled: Sendable {
        private let regex: Mutex<regex_t>
        /// Without the group around all of it.
        let groupCount: Int

        init?(_ pattern: String) {
            var regex = regex_t()
            guard regcomp(&regex, pattern, REG_EXTENDED) == 0 else { return nil }
            groupCount = regex.re_nsub - 1
            self.regex = Mutex(regex)
        }

        deinit { regex.withLock { regfree(&$0) } }

        func matches(_ name: String) -> Bool {
            regex.withLock { regexec(&$0, name, 0, nil, 0) == 0 }
        }

        func groups(in name: String) -> [String]? {
            let bytes = Array(name.utf8)
            guard !bytes.contains(0) else { return nil }
            // The whole, the group around all of it, and the groups.
            var matches = [regmatch_t](repeating: regmatch_t(), count: groupCount + 2)
            guard regex.withLock({ regexec(&$0, name, matches.count, &matches, 0) }) == 0 else { return nil }
            return matches.dropFirst(2).map { match in
                match.rm_so < 0 ? "" : String(decoding: bytes[Int(match.rm_so)..<Int(match.rm_eo)], as: UTF8.self)
            }
        }

        /// What is wrong with a pattern, in the words of regerror(3); nil if nothing is.
        static func fault(in pattern: String) -> String? {
            var regex = regex_t()
            let code = regcomp(&regex, pattern, REG_EXTENDED | REG_NOSUB)
            guard code != 0 else {
                regfree(&regex)
                return nil
            }
            var words = [CChar](repeating: 0, count: 128)
            regerror(code, &regex, &words, words.count)
            let text = String(decoding: words.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
            return text.prefix(1).lowercased() + text.dropFirst()
        }
    }
}
