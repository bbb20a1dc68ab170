import NIOCore
import OCI

/// One repository of a docker-archive, read as OCI images.
struct DockerArchiveRepository: Sendable {
    let archive: DockerArchive
    let repository: RepositoryName

    var name: String { "\(archive.path) (\(repository))" }

    private func notFound(_ what: String) -> ArchiveError { ArchiveError(.notFound, "\(name) has no \(what)") }
}

extension DockerArchiveRepository: ImageSource {
    func resolve(_ reference: TagOrDigest) async throws -> Descriptor {
        let images = archive.named.filter { $0.repository == repository }
        let found: Descriptor? =
            switch reference {
            case .tag(let tag): images.first { $0.tag == tag }?.descriptor
            case .digest(let digest): images.first { $0.descriptor.digest == digest }?.descriptor
            }
        guard let found else { throw notFound("manifest \(reference)") }
        return found
    }

    func tags() async throws -> [Tag] {
        Set(archive.named.filter { $0.repository == repository }.compactMap(\.tag)).sorted()
    }

    func manifest(_ descriptor: Descriptor) async throws -> Manifest {
        guard let manifest = archive.manifests[descriptor.digest] else {
            throw notFound("manifest \(descriptor.digest)")
        }
        return try Manifest(manifest.bytes, as: descriptor, from: name)
    }

    /// The format has no word for them.
    func referrers(of digest: Digest) async throws -> [Descriptor] { [] }

    func read<R: Sendable>(
        _ blob: Descriptor, after prefix: Prefix?, _ body: @escaping @Sendable (Content) async throws -> R
    ) async throws -> R {
        guard let place = archive.places[blob.digest] else { throw notFound("blob \(blob.digest)") }
        guard place.size == blob.size else {
            throw ArchiveError.damaged("blob \(blob.digest) has \(place.size) bytes in \(name), want \(blob.size)")
        }
        return try await body(
            Content(blob, from: archive.path, after: prefix) { send in
                let done = prefix?.count ?? 0
                try await readUnverified(blob, in: done..<blob.size, by: LayoutFolder.chunkSize, send: send)
            })
    }
}

extension DockerArchiveRepository: RandomAccessSource {
    func blob(_ digest: Digest) async throws -> Descriptor? {
        archive.places[digest].map { Descriptor(mediaType: .octetStream, digest: digest, size: $0.size) }
    }

    func readUnverified(
        _ blob: Descriptor, in range: Range<Int64>, by pieceSize: Int, send: (ByteBuffer) async throws -> Void
    ) async throws {
        guard let place = archive.places[blob.digest] else { throw notFound("blob \(blob.digest)") }
        var offset = range.lowerBound
        while offset < range.upperBound {
            let chunk = try await archive.file.read(
                at: place.contentOffset + offset,
                count: Int(min(Int64(pieceSize), range.upperBound - offset)))
            guard chunk.readableBytes > 0 else { return }
            offset += Int64(chunk.readableBytes)
            try await send(chunk)
        }
    }

    func stamp(of blob: Descriptor) async throws -> String { try await archive.file.status().stamp }
}
