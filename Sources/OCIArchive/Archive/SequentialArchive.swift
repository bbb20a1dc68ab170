import NIOCore
import OCI

/// An archive of ours that comes in order, from a pipe or out of a filter: one pass, and nothing is kept but manifests.
public actor SequentialArchive {
    public nonisolated let path: String
    public nonisolated let id: Digest
    nonisolated let map: ArchiveMap
    nonisolated let manifests: SequentialManifests
    nonisolated let referrers: ReferrerTable
    private let stream: TarStream
    private let file: any File
    private var isUsed = false

    /// - Parameters:
    ///   - stream: just behind the front.
    ///   - spool: opens a file for manifests that are too large to keep in memory.
    init(
        _ front: ArchiveFront, _ stream: TarStream, file: any File, path: String,
        spool: @Sendable () async throws -> any File
    ) async throws {
        try front.checkFaults(path)
        map = front.map
        id = front.map.id
        self.path = path
        self.stream = stream
        self.file = file
        manifests = try await SequentialManifests.read(front.map, stream, spool: spool)
        referrers = ReferrerTable { [map] in
            map.blobs.reduce(into: [:]) { table, blob in
                if let subject = blob.subject { table[subject, default: []].append(blob.descriptor) }
            }
        }
    }

    static func expectEntry(_ number: Int, _ map: ArchiveMap, _ stream: TarStream) async throws -> TarEntry {
        let (slot, blob) = (map.slots[number], map.blobs[number])
        guard let entry = try await stream.nextEntry() else {
            throw ArchiveError.damaged("\(stream.archive) ends before \(blob.name)")
        }
        guard entry.name == blob.name, entry.size == slot.size, entry.kind == .file,
            entry.headerOffset == slot.headerOffset
        else {
            throw ArchiveError.damaged(
                "\(stream.archive) is damaged: \(shownName(entry)) with \(entry.size) bytes stands at byte "
                    + "\(entry.headerOffset), want \(blob.name) with \(blob.size)")
        }
        return entry
    }

    public func close() async throws {
        try await manifests.close()
        try await file.close()
    }
}

extension SequentialArchive: SequentialSource {
    public nonisolated var name: String { path }

    public func images() -> [NamedImage] { map.contents.images }

    public func repositories() -> [RepositoryName] { Set(map.contents.images.map(\.repository)).sorted() }

    public func source(_ repository: RepositoryName) throws -> any ImageSource {
        SequentialRepository(
            archive: self, images: try RepositoryImages(map.contents.images, of: repository, in: path))
    }

    /// - Throws: `ArchiveError` `.damaged` at the end if there is no seal; then what was read may be all there is.
    public func forEachBlob(_ body: @escaping @Sendable (Content) async throws -> Void) async throws {
        guard !isUsed else { throw ArchiveError(.internal, "\(path) can be read once only") }
        isUsed = true
        let stream = stream
        for number in map.manifestCount..<map.slots.count {
            _ = try await SequentialArchive.expectEntry(number, map, stream)
            try await body(
                Content(map.blobs[number].descriptor, from: path) { send in
                    while let chunk = try await stream.nextChunk() { try await send(chunk) }
                })
        }
        guard let seal = try await stream.nextEntry(), seal.name == ArchiveNames.seal,
            try await stream.content(of: seal, upTo: ArchiveNames.sealLimit) == map.sealBytes,
            try await stream.nextEntry() == nil
        else { throw ArchiveError.damaged("\(path) is not sealed: it was not written to its end, or was changed") }
    }
}

/// One repository of an archive that comes in order.
struct SequentialRepository: ImageSource {
    let archive: SequentialArchive
    let images: RepositoryImages

    var name: String { images.name }

    func tags() -> [Tag] { images.tags }

    func resolve(_ reference: TagOrDigest) throws -> Descriptor {
        switch reference {
        case .tag(let tag): return try images.resolve(tag)
        case .digest(let digest):
            guard let descriptor = archive.manifests.descriptor(digest) else {
                throw ArchiveError(.notFound, "\(name) has no manifest \(digest)")
            }
            return descriptor
        }
    }

    func manifest(_ descriptor: Descriptor) async throws -> Manifest {
        guard let manifest = try await archive.manifests.manifest(descriptor) else {
            throw ArchiveError(.notFound, "\(name) has no manifest \(descriptor.digest)")
        }
        return manifest
    }

    func referrers(of digest: Digest) async throws -> [Descriptor] {
        var referrers: [Descriptor] = []
        for descriptor in try await archive.referrers.of(digest) {
            if let manifest = try await archive.manifests.manifest(descriptor) { referrers.append(manifest.asReferrer) }
        }
        return referrers
    }

    func read<R: Sendable>(
        _ blob: Descriptor, after prefix: Prefix?, _ body: @escaping @Sendable (Content) async throws -> R
    ) throws -> R {
        throw ArchiveError(.internal, "blob \(blob.digest) of \(name) can only be read in its turn")
    }
}
