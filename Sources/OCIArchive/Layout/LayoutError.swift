import OCI

/// A layout folder is damaged, busy, or refuses what is asked of it.
public struct LayoutError: Failure {
    public let kind: FailureKind
    public let description: String
    public let advice: String?

    init(_ kind: FailureKind, _ description: String, advice: String? = nil) {
        self.kind = kind
        self.description = description
        self.advice = advice
    }
}
