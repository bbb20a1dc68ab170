import OCI

/// A range of versions in the words of npm and Masterminds: `>=1.2 <3`, `^1.2`, `~1.2.3`, `1.x`, `1.2 - 1.4`, `||`.
///
/// A pre-release is inside only if a bound of the same alternative is one too, as in `>=1.2.0-0`.
public struct VersionRange: Hashable, Sendable, CustomStringConvertible {
    /// The longest range, in characters.
    public static let lengthLimit = 256

    public let description: String
    private let alternatives: [Alternative]

    private struct Alternative: Hashable, Sendable {
        var bounds: [Bound] = []
        var namesPrerelease = false
    }

    private enum Bound: Hashable, Sendable {
        case from(SemanticVersion)
        case above(SemanticVersion)
        case below(SemanticVersion)
        case upTo(SemanticVersion)
        /// `!=`: not from the first on and below the second.
        case outside(SemanticVersion, SemanticVersion)
        case not(SemanticVersion)

        func contains(_ version: SemanticVersion) -> Bool {
            switch self {
            case .from(let bound): version >= bound
            case .above(let bound): version > bound
            case .below(let bound): version < bound
            case .upTo(let bound): version <= bound
            case .outside(let low, let high): version < low || version >= high
            case .not(let bound): version < bound || version > bound
            }
        }
    }

    /// - Throws: `LifeboatError` of kind `.policy` for what is no range.
    public init(parsing text: some StringProtocol) throws(LifeboatError) {
        description = String(text)
        guard text.count <= VersionRange.lengthLimit else {
            throw LifeboatError(
                .policy, "the range has \(text.count) characters, the limit is \(VersionRange.lengthLimit)")
        }
        guard text.contains(where: { $0 != " " }) else { throw VersionRange.wrong(description, "it is empty") }
        var alternatives: [Alternative] = []
        for part in VersionRange.split(Substring(text)) {
            alternatives.append(try VersionRange.alternative(part, in: description))
        }
        self.alternatives = alternatives
    }

    /// Whether a tag is a version within the range; one that is no version is not.
    public func contains(_ tag: some StringProtocol) -> Bool { SemanticVersion(tag).map(contains) ?? false }

    func contains(_ version: SemanticVersion) -> Bool {
        alternatives.contains { alternative in
            (version.prerelease.isEmpty || alternative.namesPrerelease)
                && alternative.bounds.allSatisfy { $0.contains(version) }
        }
    }

    private static func split(_ text: Substring) -> [Substring] {
        var parts: [Substring] = []
        var rest = text
        while let bar = rest.firstIndex(of: "|"), rest[rest.index(after: bar)...].first == "|" {
            parts.append(rest[..<bar])
            rest = rest[rest.index(bar, offsetBy: 2)...]
        }
        return parts + [rest]
    }

    // MARK: Reading

    private static let operators = [">=", "<=", "==", "!=", "~>", ">", "<", "=", "^", "~"]

    private static func alternative(_ text: Substring, in range: String) throws(LifeboatError) -> Alternative {
        var words = text.split { $0 == " " || $0 == "\t" || $0 == "," }[...]
        guard !words.isEmpty else { throw wrong(range, "there is nothing on one side of '||'") }
        var alternative = Alternative()
        while let word = words.popFirst() {
            if words.first == "-" {
                words.removeFirst()
                guard let end = words.popFirst() else { throw wrong(range, "'\(word) -' has no end") }
                try add(">=", word, to: &alternative, in: range)
                try add("<=", end, to: &alternative, in: range)
                continue
            }
            let sign = operators.first { word.hasPrefix($0) } ?? ""
            var version = word.dropFirst(sign.count)
            if version.isEmpty {
                // `>= 1.2` with a space between.
                guard let next = words.popFirst() else { throw wrong(range, "'\(sign)' has no version behind it") }
                version = next
            }
            try add(sign, version, to: &alternative, in: range)
        }
        return alternative
    }

    private static func add(
        _ sign: String, _ text: Substring, to alternative: inout Alternative, in range: String
    ) throws(LifeboatError) {
        guard let version = PartialVersion(text) else {
            throw wrong(range, "'\(shown(text, limit: 80))' is not a version")
        }
        if !version.prerelease.isEmpty { alternative.namesPrerelease = true }
        let low = version.lowest
        let end = end(of: version)
        switch sign {
        case "", "=", "==":
            if version.isComplete {
                alternative.bounds += [.from(low), .upTo(low)]
            } else {
                alternative.bounds += [.from(low)] + below(end)
            }
        case ">=": alternative.bounds.append(.from(low))
        case ">":
            if version.isComplete || !version.prerelease.isEmpty {
                alternative.bounds.append(.above(low))
            } else {
                guard let end else { throw wrong(range, "nothing is above every version") }
                alternative.bounds.append(.from(SemanticVersion(end.major, end.minor, end.patch)))
            }
        case "<":
            guard version.major != nil else { throw wrong(range, "nothing is below every version") }
            // Who wants what is below 3 does not want a pre-release of 3.
            alternative.bounds.append(.below(version.isComplete ? low : first(low)))
        case "<=":
            alternative.bounds += version.isComplete || !version.prerelease.isEmpty ? [.upTo(low)] : below(end)
        case "!=":
            if version.isComplete || !version.prerelease.isEmpty {
                alternative.bounds.append(.not(low))
            } else {
                guard let end else { throw wrong(range, "nothing is different from every version") }
                alternative.bounds.append(.outside(low, end))
            }
        case "^": alternative.bounds += [.from(low)] + below(compatibleEnd(of: version))
        default:
            let minorEnd = version.minor.map { next(version.major ?? 0, $0) } ?? version.major.map { next($0) }
            alternative.bounds += [.from(low)] + below(minorEnd)
        }
    }

    private static func below(_ end: SemanticVersion?) -> [Bound] { end.map { [.below($0)] } ?? [] }

    /// The first version, its pre-releases included, that does not begin with the parts given; nil if all do.
    private static func end(of version: PartialVersion) -> SemanticVersion? {
        guard let major = version.major else { return nil }
        guard let minor = version.minor else { return next(major) }
        guard let patch = version.patch else { return next(major, minor) }
        return next(major, minor, patch)
    }

    /// `^`: up to where the leftmost part that is not 0 changes.
    private static func compatibleEnd(of version: PartialVersion) -> SemanticVersion? {
        guard let major = version.major else { return nil }
        guard major == 0, let minor = version.minor else { return next(major) }
        guard minor == 0, let patch = version.patch else { return next(0, minor) }
        return next(0, 0, patch)
    }

    private static func next(_ major: UInt64) -> SemanticVersion { first(SemanticVersion(increased(major))) }
    private static func next(_ major: UInt64, _ minor: UInt64) -> SemanticVersion {
        first(SemanticVersion(major, increased(minor)))
    }
    private static func next(_ major: UInt64, _ minor: UInt64, _ patch: UInt64) -> SemanticVersion {
        first(SemanticVersion(major, minor, increased(patch)))
    }

    private static func increased(_ number: UInt64) -> UInt64 { number == .max ? number : number + 1 }

    /// The lowest pre-release of a version (`-0`), or the pre-release that it is.
    private static func first(_ version: SemanticVersion) -> SemanticVersion {
        guard version.prerelease.isEmpty else { return version }
        return SemanticVersion(version.major, version.minor, version.patch, prerelease: [.number(0)])
    }

    private static func wrong(_ range: String, _ reason: String) -> LifeboatError {
        LifeboatError(.policy, "'\(shown(range, limit: 100))' is not a range of versions: \(reason)")
    }
}
