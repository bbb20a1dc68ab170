import OCI

/// The server cannot do what was asked of it at its start.
public struct ServerError: Failure {
    public let kind: FailureKind
    public let description: String
    public let advice: String?

    init(_ kind: FailureKind, _ description: String, advice: String? = nil) {
        self.kind = kind
        self.description = description
        self.advice = advice
    }
}
