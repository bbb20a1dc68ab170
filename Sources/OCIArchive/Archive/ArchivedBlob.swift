import OCI

/// A blob as the contents of an archive list it.
public struct ArchivedBlob: Hashable, Sendable {
    /// What it is by position, which decides where it stands.
    public enum Role: String, Sendable, Hashable {
        case manifest, config, layer
    }

    public let digest: Digest
    public let size: Int64
    public let role: Role
    /// Of manifests only: for all others it is the manifest that says it.
    public let mediaType: MediaType?
    /// What a manifest refers to.
    public let subject: Digest?
    /// Whether the archive leaves it to what it builds on; deltas only.
    public internal(set) var isInBase = false
    /// The volume that holds it; nil where the archive is not divided, or builds on what has it.
    public internal(set) var volume: Int?

    public init(digest: Digest, size: Int64, role: Role, mediaType: MediaType? = nil, subject: Digest? = nil) {
        self.digest = digest
        self.size = size
        self.role = role
        self.mediaType = mediaType
        self.subject = subject
    }

    var name: String { "blobs/\(digest.algorithm.rawValue)/\(digest.hex)" }

    public var descriptor: Descriptor {
        Descriptor(mediaType: mediaType ?? .octetStream, digest: digest, size: size)
    }
}
