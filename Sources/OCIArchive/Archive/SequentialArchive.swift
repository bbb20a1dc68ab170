import NIOCore
import OCI

/// An archive of ours that comes in order, from a pipe or out of a filter: one pass, and nothing is kept but manifests.
public actor SequentialArchive {
    /// The most bytes of manifests that are kept in memory.
    public static let manifestMemoryLimit: Int64 = 256 << 20

    public nonisolated let path: String
    public nonisolated let id: Digest
    nonisolated let map: ArchiveMap
    nonisolated let manifests: [Digest: Manifest]
    nonisolated let referrers: ReferrerTable
    private let stream: TarStream
    private let file: any File
    private var isUsed = false

    /// - Parameter stream: just behind the front.
    init(_ front: ArchiveFront, _ stream: TarStream, file: any File, path: String) async throws {
        try front.checkFaults(path)
        map = front.map
        id = front.map.id
        self.path = path
        self.stream = stream
        self.file = file
        manifests = try await SequentialArchive.readManifests(front.map, stream)
        referrers = ReferrerTable { [map] in
            map.contents.blobs.reduce(into: [:]) { table, blob in
                if let subject = blob.subject { table[subject, default: []].append(blob.descriptor) }
            }
        }
    }

    private static func readManifests(_ map: ArchiveMap, _ stream: TarStream) async throws -> [Digest: Manifest] {
        var manifests: [Digest: Manifest] = [:]
        let size = map.contents.blobs.prefix(map.manifestCount).reduce(0) { $0 + $1.size }
        guard size <= manifestMemoryLimit else {
            throw ArchiveError.policy(
                "the manifests of \(stream.archive) have \(size) bytes, the limit is \(manifestMemoryLimit)",
                advice: "give the archive as a plain file")
        }
        for number in 0..<map.manifestCount {
            let blob = map.contents.blobs[number]
            let entry = try await expectEntry(number, map, stream)
            let bytes = try await stream.content(of: entry, upTo: Manifest.sizeLimit)
            manifests[blob.digest] = try Manifest(bytes, as: blob.descriptor, from: stream.archive)
        }
        return manifests
    }

    private static func expectEntry(_ number: Int, _ map: ArchiveMap, _ stream: TarStream) async throws -> TarEntry {
        let (slot, blob) = (map.slots[number], map.contents.blobs[number])
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

    public func close() async throws { try await file.close() }
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
                Content(map.contents.blobs[number].descriptor, from: path) { send in
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
            guard let manifest = archive.manifests[digest] else {
                throw ArchiveError(.notFound, "\(name) has no manifest \(digest)")
            }
            return manifest.descriptor
        }
    }

    func manifest(_ descriptor: Descriptor) throws -> Manifest {
        guard let manifest = archive.manifests[descriptor.digest] else {
            throw ArchiveError(.notFound, "\(name) has no manifest \(descriptor.digest)")
        }
        return try Manifest(manifest.bytes, as: descriptor, from: name)
    }

    func referrers(of digest: Digest) async throws -> [Descriptor] {
        try await archive.referrers.of(digest).compactMap { archive.manifests[$0.digest]?.asReferrer }
    }

    func read<R: Sendable>(
        _ blob: Descriptor, after prefix: Prefix?, _ body: @escaping @Sendable (Content) async throws -> R
    ) throws -> R {
        throw ArchiveError(.internal, "blob \(blob.digest) of \(name) can only be read in its turn")
    }
}
