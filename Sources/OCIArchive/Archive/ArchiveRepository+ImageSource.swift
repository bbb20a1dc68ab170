import NIOCore
import OCI

/// One repository of an archive in a plain file.
///
/// Content is the archive's: what is named by digest is found under every repository of it.
struct ArchiveRepository: Sendable {
    let archive: ArchiveSource
    let images: RepositoryImages
}

extension ArchiveRepository: ImageSource {
    var name: String { images.name }

    func tags() -> [Tag] { images.tags }

    func resolve(_ reference: TagOrDigest) async throws -> Descriptor {
        switch reference {
        case .tag(let tag): return try images.resolve(tag)
        case .digest(let digest):
            if let image = images.resolve(digest) { return image }
            if case .planned(let map) = archive.blobs, let number = map.slotNumbers[digest],
                map.blobs[number].role == .manifest
            {
                return map.blobs[number].descriptor
            }
            // A child of an index, or whatever refers to an image: its content says what it is.
            guard let place = archive.place(digest), place.size <= Manifest.sizeLimit else {
                throw ArchiveError(.notFound, "\(name) has no manifest \(digest)")
            }
            let descriptor = Descriptor(mediaType: .octetStream, digest: digest, size: place.size)
            return try await archive.manifest(descriptor).descriptor
        }
    }

    func manifest(_ descriptor: Descriptor) async throws -> Manifest { try await archive.manifest(descriptor) }

    func referrers(of digest: Digest) async throws -> [Descriptor] {
        var referrers: [Descriptor] = []
        for descriptor in try await archive.referrers.of(digest) {
            referrers.append(try await archive.manifest(descriptor).asReferrer)
        }
        return referrers
    }

    func read<R: Sendable>(
        _ blob: Descriptor, after prefix: Prefix?, _ body: @escaping @Sendable (Content) async throws -> R
    ) async throws -> R {
        try await body(try await archive.content(blob, after: prefix))
    }
}

extension ArchiveRepository: RandomAccessSource {
    func blob(_ digest: Digest) -> Descriptor? {
        archive.place(digest).map { Descriptor(mediaType: .octetStream, digest: digest, size: $0.size) }
    }

    func readUnverified(
        _ blob: Descriptor, in range: Range<Int64>, send: (ByteBuffer) async throws -> Void
    ) async throws {
        let place = try await archive.checkedPlace(blob)
        guard range.lowerBound >= 0, range.upperBound <= place.size else {
            throw ArchiveError.usage("bytes \(range) of blob \(blob.digest) were asked for, which has \(place.size)")
        }
        try await archive.file.forEachChunk(
            from: place.contentOffset + range.lowerBound, count: Int64(range.count), send)
    }

    func stamp(of blob: Descriptor) async throws -> String { try await archive.file.status().stamp }
}

/// What refers to which manifest, found out when it is first asked for.
public actor ReferrerTable {
    private let load: @Sendable () async throws -> [Digest: [Descriptor]]
    private var loading: Task<[Digest: [Descriptor]], any Error>?

    init(_ load: @escaping @Sendable () async throws -> [Digest: [Descriptor]]) {
        self.load = load
    }

    func of(_ digest: Digest) async throws -> [Descriptor] {
        let task = loading ?? Task { [load] in try await load() }
        loading = task
        return try await task.value[digest]?.sorted { $0.digest < $1.digest } ?? []
    }
}
