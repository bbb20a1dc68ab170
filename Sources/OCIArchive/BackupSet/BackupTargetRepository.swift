import NIOCore
import OCI

/// One repository of a backup that is being written.
struct BackupTargetRepository: Sendable {
    let backup: BackupTarget
    let repository: RepositoryName
}

extension BackupTargetRepository: ImageTarget {
    var name: String { backup.name }

    /// Nothing is in a backup before it is sealed.
    func find(_ reference: TagOrDigest) -> Descriptor? { nil }

    func contains(_ blob: Descriptor) async throws -> Bool { try await backup.session().blobs.holds(blob) }

    func write(_ content: Content) async throws { try await backup.session().blobs.store(content) }

    func push(_ manifest: Manifest, tags: [Tag]) async throws {
        let blobs = try backup.session().blobs
        if try await blobs.holds(manifest.descriptor) { return }
        try await blobs.store(Content(manifest.bytes, as: manifest.descriptor, from: "memory"))
    }
}
