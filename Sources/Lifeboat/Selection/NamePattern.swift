import OCI

/// What names are meant: a glob, or `regex:` and a regular expression that the whole name has to match.
public enum NamePattern: Hashable, Sendable {
    case glob(Glob)
    case regex(NameRegex)

    /// The longest pattern, in characters.
    public static let lengthLimit = 256

    /// Reads `team/**`, or `regex:team/(a|b)`.
    ///
    /// - Throws: `LifeboatError` of kind `.policy` for a pattern that is too long, that no name can match, or that is no
    ///   regular expression.
    public init(parsing text: some StringProtocol) throws(LifeboatError) {
        if text.hasPrefix(NamePattern.regexPrefix) {
            self = .regex(try NameRegex(text.dropFirst(NamePattern.regexPrefix.count)))
            return
        }
        guard !text.isEmpty else { throw LifeboatError(.policy, "the pattern is empty") }
        guard text.count <= NamePattern.lengthLimit else {
            throw LifeboatError(
                .policy, "the pattern has \(text.count) characters, the limit is \(NamePattern.lengthLimit)")
        }
        if let stranger = text.unicodeScalars.first(where: { !NamePattern.isInGlobs($0) }) {
            throw LifeboatError(
                .policy,
                "'\(shown(text, limit: 100))' has '\(shown(String(stranger)))', which is in no name; want a glob of "
                    + "*, ** and ?, or regex:")
        }
        self = .glob(Glob(text))
    }

    static let regexPrefix = "regex:"

    /// Media types are matched by patterns too, hence `+`.
    private static func isInGlobs(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar {
        case "a"..."z", "A"..."Z", "0"..."9", ".", "_", "-", "/", "*", "?", "+": true
        default: false
        }
    }

    public func matches(_ name: some StringProtocol) -> Bool {
        switch self {
        case .glob(let glob): glob.matches(name)
        case .regex(let regex): regex.matches(name)
        }
    }

    /// Whether the pattern can only mean one name, which is then its description.
    public var isLiteral: Bool {
        if case .glob(let glob) = self { glob.isLiteral } else { false }
    }

    /// Whether the pattern is a single `*` or `**`.
    var isAnything: Bool { description == "*" || description == "**" }
}

extension NamePattern: CustomStringConvertible {
    public var description: String {
        switch self {
        case .glob(let glob): glob.description
        case .regex(let regex): NamePattern.regexPrefix + regex.description
        }
    }
}
