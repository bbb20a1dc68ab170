import NIOCore
import OCI

/// One repository of a backup.
///
/// Content is the backup's: what is named by digest is found under every repository of it.
struct BackupRepository: Sendable {
    let backup: BackupSource
    let images: RepositoryImages
}

extension BackupRepository: ImageSource {
    var name: String { images.name }

    func tags() -> [Tag] { images.tags }

    func resolve(_ reference: TagOrDigest) async throws -> Descriptor {
        switch reference {
        case .tag(let tag): return try images.resolve(tag)
        case .digest(let digest):
            if let image = images.resolve(digest) { return image }
            guard let blob = backup.blobs[digest], blob.role == .manifest else {
                throw ArchiveError(.notFound, "\(name) has no manifest \(digest)")
            }
            return blob.descriptor
        }
    }

    func manifest(_ descriptor: Descriptor) async throws -> Manifest { try await backup.manifest(descriptor) }

    func referrers(of digest: Digest) async throws -> [Descriptor] {
        var found: [Descriptor] = []
        for referrer in backup.referrers[digest] ?? [] {
            if let manifest = try await backup.manifest(referrer) { found.append(manifest.asReferrer) }
        }
        return found
    }

    func read<R: Sendable>(
        _ blob: Descriptor, after prefix: Prefix?, _ body: @escaping @Sendable (Content) async throws -> R
    ) async throws -> R {
        try await backup.read(blob, after: prefix, body)
    }
}

extension BackupRepository: RandomAccessSource {
    func blob(_ digest: Digest) async throws -> Descriptor? {
        guard let listed = backup.blobs[digest] else { return nil }
        // What the record lists and is not there is lost, not unknown.
        guard let status = try await backup.status(of: digest) else { throw try await backup.absence(of: digest) }
        guard status.size == listed.size else {
            throw ArchiveError.damaged(
                "blob \(digest) has \(status.size) bytes in \(backup.name), want \(listed.size)")
        }
        return Descriptor(mediaType: .octetStream, digest: digest, size: listed.size)
    }

    func readUnverified(
        _ blob: Descriptor, in range: Range<Int64>, by pieceSize: Int, send: (ByteBuffer) async throws -> Void
    ) async throws {
        let (file, _) = try await backup.open(blob)
        try await closing(file) { try await backup.set.folder.send(file, in: range, by: pieceSize, send) }
    }

    func stamp(of blob: Descriptor) async throws -> String {
        try await backup.status(of: blob.digest)?.stamp ?? "absent"
    }
}
