import NIOCore
import OCI

/// Deltas and volumes in plain files, read from any place in them.
struct JoinedArchive: LinkedArchive {
    let parts: ArchiveParts
    let referrers: ReferrerTable

    init(_ parts: ArchiveParts) {
        self.parts = parts
        referrers = ReferrerTable(parts)
    }
}

/// Deltas and volumes of which some files can only be read in order.
struct JoinedStreams: LinkedArchive, SequentialSource {
    let parts: ArchiveParts
    let referrers: ReferrerTable

    init(_ parts: ArchiveParts) {
        self.parts = parts
        referrers = ReferrerTable(parts)
    }

    /// File by file; a blob that stands in several of them comes once.
    func forEachBlob(_ body: @escaping @Sendable (Content) async throws -> Void) async throws {
        let seen = SeenDigests()
        for stream in parts.streams {
            try await stream.forEachBlob { content in
                if await seen.insert(content.descriptor.digest) { try await body(content) }
            }
        }
    }

    private actor SeenDigests {
        private var digests: Set<Digest> = []

        func insert(_ digest: Digest) -> Bool { digests.insert(digest).inserted }
    }
}

extension ReferrerTable {
    init(_ parts: ArchiveParts) {
        self.init {
            parts.contents.blobs.reduce(into: [:]) { table, blob in
                if let subject = blob.subject { table[subject, default: []].append(blob.descriptor) }
            }
        }
    }
}

/// One repository of an archive that is one of several.
struct LinkedRepository: Sendable {
    let parts: ArchiveParts
    let images: RepositoryImages
    let referrers: ReferrerTable
}

extension LinkedRepository: ImageSource {
    var name: String { images.name }

    func tags() -> [Tag] { images.tags }

    func resolve(_ reference: TagOrDigest) async throws -> Descriptor {
        switch reference {
        case .tag(let tag): return try images.resolve(tag)
        case .digest(let digest):
            if let image = images.resolve(digest) { return image }
            guard let blob = parts.blob(digest), blob.role == .manifest else {
                throw ArchiveError(.notFound, "\(name) has no manifest \(digest)")
            }
            return blob.descriptor
        }
    }

    func manifest(_ descriptor: Descriptor) async throws -> Manifest {
        if let source = parts.source(of: descriptor.digest) { return try await source.manifest(descriptor) }
        for stream in parts.streams {
            if let manifest = try await stream.manifests.manifest(descriptor) { return manifest }
        }
        if let store = try await parts.store(of: descriptor.digest) { return try await store.manifest(descriptor) }
        throw parts.absence(of: descriptor.digest)
    }

    /// One whose manifest is not to be had is listed without what only that would say.
    func referrers(of digest: Digest) async throws -> [Descriptor] {
        var found: [Descriptor] = []
        for descriptor in try await referrers.of(digest) {
            do {
                found.append(try await manifest(descriptor).asReferrer)
            } catch let error as ArchiveError where error.kind == .notFound {
                found.append(descriptor)
            }
        }
        return found
    }

    func read<R: Sendable>(
        _ blob: Descriptor, after prefix: Prefix?, _ body: @escaping @Sendable (Content) async throws -> R
    ) async throws -> R {
        if let source = parts.source(of: blob.digest) {
            return try await body(try await source.content(blob, after: prefix))
        }
        if let store = try await parts.store(of: blob.digest) { return try await store.read(blob, after: prefix, body) }
        guard !parts.isStreamed(blob.digest) else {
            throw ArchiveError(.internal, "blob \(blob.digest) of \(name) can only be read in its turn")
        }
        throw parts.absence(of: blob.digest)
    }
}

extension LinkedRepository: RandomAccessSource {
    func blob(_ digest: Digest) async throws -> Descriptor? {
        guard let holder = try await holder(of: digest) else { return nil }
        return try await holder.blob(digest)
    }

    func readUnverified(
        _ blob: Descriptor, in range: Range<Int64>, send: (ByteBuffer) async throws -> Void
    ) async throws {
        guard let holder = try await holder(of: blob.digest) else { throw parts.absence(of: blob.digest) }
        try await holder.readUnverified(blob, in: range, send: send)
    }

    func stamp(of blob: Descriptor) async throws -> String {
        try await holder(of: blob.digest)?.stamp(of: blob) ?? "absent"
    }

    private func holder(of digest: Digest) async throws -> (any RandomAccessSource)? {
        if let source = parts.source(of: digest) { return ArchiveRepository(archive: source, images: images) }
        return try await parts.store(of: digest)
    }
}

extension ArchiveParts {
    /// The file that holds a blob and can be read from any place in it.
    func source(of digest: Digest) -> ArchiveSource? { sources.first { $0.place(digest) != nil } }

    /// What else has a blob.
    func store(of digest: Digest) async throws -> (any RandomAccessSource)? {
        for store in stores where try await store.blob(digest) != nil { return store }
        return nil
    }
}
