import NIOCore
import OCI

extension LayoutRepository: ImageSource {
    func resolve(_ reference: TagOrDigest) async throws -> Descriptor {
        let found: Descriptor? =
            switch reference {
            case .tag(let tag): try await listed(tag)
            case .digest(let digest): try await stored(digest)?.descriptor
            }
        guard let found else { throw ArchiveError(.notFound, "\(name) has no manifest \(reference)") }
        return found
    }

    func tags() async throws -> [Tag] {
        let tags = try await layout.catalog.current().repositories[repository]?.tags ?? [:]
        return tags.filter { _, entries in entries.contains(where: isMeant) }.keys.sorted()
    }

    func manifest(_ descriptor: Descriptor) async throws -> Manifest {
        guard descriptor.size <= Manifest.sizeLimit else {
            throw ArchiveError(
                .policy,
                "manifest \(descriptor.digest) in \(shown(layout.path)) has \(descriptor.size) bytes, "
                    + "the limit is \(Manifest.sizeLimit)")
        }
        let bytes = try await folder.read(descriptor, after: nil) { try await $0.collect(upTo: Manifest.sizeLimit) }
        return try Manifest(bytes, as: descriptor, from: shown(layout.path, limit: 1000))
    }

    func referrers(of digest: Digest) async throws -> [Descriptor] {
        try await layout.referrers(of: digest)
    }

    func read<R: Sendable>(
        _ blob: Descriptor, after prefix: Prefix?, _ body: @escaping @Sendable (Content) async throws -> R
    ) async throws -> R {
        try await folder.read(blob, after: prefix, body)
    }
}

extension LayoutRepository: RandomAccessSource {
    func blob(_ digest: Digest) async throws -> Descriptor? {
        try await folder.status(of: digest).map {
            Descriptor(mediaType: .octetStream, digest: digest, size: $0.size)
        }
    }

    func readUnverified(
        _ blob: Descriptor, in range: Range<Int64>, by pieceSize: Int, send: (ByteBuffer) async throws -> Void
    ) async throws {
        let (file, _) = try await folder.openBlob(blob)
        try await closing(file) { try await folder.send(file, in: range, by: pieceSize, send) }
    }

    func stamp(of blob: Descriptor) async throws -> String {
        try await folder.status(of: blob.digest)?.stamp ?? "absent"
    }
}
