import OCI

/// Something is wrong with an archive or a layout: with its bytes, its names, or what somebody asks of it.
public struct ArchiveError: Failure {
    public let kind: FailureKind
    public let description: String
    public let advice: String?

    public init(_ kind: FailureKind, _ description: String, advice: String? = nil) {
        self.kind = kind
        self.description = description
        self.advice = advice
    }

    static func damaged(_ description: String, advice: String? = nil) -> ArchiveError {
        ArchiveError(.damaged, description, advice: advice)
    }

    static func policy(_ description: String, advice: String? = nil) -> ArchiveError {
        ArchiveError(.policy, description, advice: advice)
    }

    static func usage(_ description: String, advice: String? = nil) -> ArchiveError {
        ArchiveError(.usage, description, advice: advice)
    }
}
