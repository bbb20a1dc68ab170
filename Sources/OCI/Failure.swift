/// What class an error belongs to: it decides the exit code and whether trying again can help.
///
/// Exit codes follow sysexits(3).
public enum FailureKind: String, Sendable, Hashable, CaseIterable {
    /// Wrong digest, size or type; an archive that is truncated or altered.
    case damaged
    /// The source repository, tag or digest does not exist.
    case notFound
    /// A passing fault of a registry or the network, after all retries.
    case unavailable
    /// A fault of Lifeboat itself.
    case `internal`
    /// The target holds something else under that name, or refuses what is sent.
    case conflict
    /// Another run holds the lock.
    case locked
    /// The local machine: no space, no permission, an I/O error.
    case local
    /// The registry breaks the specification in a way that cannot be worked around.
    case protocolViolation = "protocol"
    /// Credentials are missing or refused.
    case auth
    /// A definition is wrong, or a limit or safety rule refuses.
    case policy
    /// The command line is wrong; nothing was touched.
    case usage
}

/// An error that a user can read: what was being done, to what, on which side, what came and what was wanted.
public protocol Failure: Error, Sendable, CustomStringConvertible {
    var kind: FailureKind { get }
    /// What the reader can do about it, if anything.
    var advice: String? { get }
    /// Whether it is known that trying again soon is no use, though the fault may pass.
    var isLasting: Bool { get }
}

extension Failure {
    public var isLasting: Bool { false }
}

/// An error of the image model: a value that does not parse, content that is not what its descriptor says.
public struct OCIError: Failure {
    public let kind: FailureKind
    public let description: String
    public let advice: String?

    public init(_ kind: FailureKind, _ description: String, advice: String? = nil) {
        self.kind = kind
        self.description = description
        self.advice = advice
    }

    static func damaged(_ description: String, advice: String? = nil) -> OCIError {
        OCIError(.damaged, description, advice: advice)
    }

    static func policy(_ description: String, advice: String? = nil) -> OCIError {
        OCIError(.policy, description, advice: advice)
    }
}

/// Text from elsewhere made safe to show: control characters escaped, cut at `limit` characters.
public func shown(_ text: some StringProtocol, limit: Int = 512) -> String {
    var result = ""
    for scalar in text.unicodeScalars.prefix(limit) {
        switch scalar.value {
        case 0x20...0x7e: result.unicodeScalars.append(scalar)
        case 0xa0...0x1fff, 0x2030...0x205f, 0x2070...0xd7ff, 0xf900...0xfdff, 0x10000...0xdffff:
            result.unicodeScalars.append(scalar)
        default: result += "\\u{" + String(scalar.value, radix: 16) + "}"
        }
    }
    if text.unicodeScalars.count > limit { result += "…" }
    return result
}
