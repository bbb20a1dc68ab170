/// A version as tags carry it: `1.2.3`, `v1.2`, `22.04`, `1.2.3-rc.1`, `1.2.3_build` (semver.org 2.0.0, read loosely).
///
/// Parts that are missing are 0, leading zeros do not count. Build metadata, which tags carry behind `_` since they
/// cannot have a `+`, is not compared.
struct SemanticVersion: Hashable, Comparable, Sendable {
    var major: UInt64
    var minor: UInt64 = 0
    var patch: UInt64 = 0
    var prerelease: [Identifier] = []

    enum Identifier: Hashable, Comparable, Sendable {
        // In this order: a number comes before a word (section 11.4.3).
        case number(UInt64)
        case word(String)

        init?(_ text: Substring) {
            guard !text.isEmpty,
                text.utf8.allSatisfy({ isDigit($0) || isLetter($0) || $0 == UInt8(ascii: "-") })
            else { return nil }
            if text.utf8.allSatisfy(isDigit), let number = UInt64(text) {
                self = .number(number)
            } else {
                self = .word(String(text))
            }
        }
    }

    init(_ major: UInt64, _ minor: UInt64 = 0, _ patch: UInt64 = 0, prerelease: [Identifier] = []) {
        self.major = major
        self.minor = minor
        self.patch = patch
        self.prerelease = prerelease
    }

    /// Nil for text that is no version.
    init?(_ text: some StringProtocol) {
        guard let partial = PartialVersion(Substring(text)), let major = partial.major, !partial.hasWildcard else {
            return nil
        }
        self.init(major, partial.minor ?? 0, partial.patch ?? 0, prerelease: partial.prerelease)
    }

    static func < (a: SemanticVersion, b: SemanticVersion) -> Bool {
        if a.major != b.major { return a.major < b.major }
        if a.minor != b.minor { return a.minor < b.minor }
        if a.patch != b.patch { return a.patch < b.patch }
        // A version comes after its pre-releases, and a longer pre-release after its beginning.
        if a.prerelease.isEmpty || b.prerelease.isEmpty { return !a.prerelease.isEmpty && b.prerelease.isEmpty }
        for (x, y) in zip(a.prerelease, b.prerelease) where x != y { return x < y }
        return a.prerelease.count < b.prerelease.count
    }
}

/// A version some of whose parts are left open, as ranges have them: `1`, `1.x`, `1.2.*`.
struct PartialVersion: Hashable, Sendable {
    var major: UInt64?
    var minor: UInt64?
    var patch: UInt64?
    var prerelease: [SemanticVersion.Identifier] = []
    var hasWildcard = false

    init?(_ text: Substring) {
        var rest = text
        if rest.first == "v" || rest.first == "V" { rest.removeFirst() }
        // Build metadata.
        if let end = rest.firstIndex(where: { $0 == "+" || $0 == "_" }) {
            guard rest.index(after: end) < rest.endIndex else { return nil }
            rest = rest[..<end]
        }
        if let dash = rest.firstIndex(of: "-") {
            for part in rest[rest.index(after: dash)...].split(separator: ".", omittingEmptySubsequences: false) {
                guard let identifier = SemanticVersion.Identifier(part) else { return nil }
                prerelease.append(identifier)
            }
            rest = rest[..<dash]
        }
        let parts = rest.split(separator: ".", omittingEmptySubsequences: false)
        guard (1...3).contains(parts.count) else { return nil }
        var numbers: [UInt64] = []
        for part in parts {
            if ["x", "X", "*"].contains(part) {
                hasWildcard = true
            } else {
                // Nothing definite can follow a part that is open.
                guard !hasWildcard, !part.isEmpty, part.utf8.allSatisfy(isDigit), let number = UInt64(part) else {
                    return nil
                }
                numbers.append(number)
            }
        }
        guard !hasWildcard || prerelease.isEmpty else { return nil }
        major = numbers.first
        minor = numbers.count > 1 ? numbers[1] : nil
        patch = numbers.count > 2 ? numbers[2] : nil
    }

    /// The version with 0 in the open parts.
    var lowest: SemanticVersion { SemanticVersion(major ?? 0, minor ?? 0, patch ?? 0, prerelease: prerelease) }

    var isComplete: Bool { patch != nil }
}

private func isDigit(_ byte: UInt8) -> Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) }

private func isLetter(_ byte: UInt8) -> Bool {
    (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20)
}
