import OCI

/// An error of planning or running: nothing matches, two images want one name, a definition is wrong.
public struct LifeboatError: Failure {
    public let kind: FailureKind
    public let description: String
    public let advice: String?

    public init(_ kind: FailureKind, _ description: String, advice: String? = nil) {
        self.kind = kind
        self.description = description
        self.advice = advice
    }
}

extension FailureKind {
    /// The class of any error; one that no module has named is a fault of ours.
    public init(of error: any Error) {
        if let failure = error as? any Failure {
            self = failure.kind
        } else {
            self = .internal
        }
    }

    /// The exit code when nothing was done but this (sysexits(3)).
    public var exitCode: Int32 {
        switch self {
        case .usage: 64
        case .damaged: 65
        case .notFound: 66
        case .unavailable: 69
        case .internal: 70
        case .conflict: 73
        case .local: 74
        case .locked: 75
        case .protocolViolation: 76
        case .auth: 77
        case .policy: 78
        }
    }

    /// Which class a run of several failures ends in: the first of these that is present.
    static let bySeverity: [FailureKind] = [
        .internal, .damaged, .local, .protocolViolation, .auth, .policy, .conflict, .locked, .notFound, .unavailable,
        .usage,
    ]
}
