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
