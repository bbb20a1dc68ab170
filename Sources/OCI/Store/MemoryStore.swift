import NIOCore

/// A store in memory: small images, tests, and drills.
public actor MemoryStore {
    public nonisolated let name: String
    var contents: [RepositoryName: Repository] = [:]
    /// Blobs that come in pieces, by id.
    var uploads: [String: Upload] = [:]
    private var uploadsBegun = 0

    struct Upload {
        let repository: RepositoryName
        var bytes = ByteBuffer()
    }

    struct Repository {
        var blobs: [Digest: ByteBuffer] = [:]
        var manifests: [Digest: Manifest] = [:]
        var tags: [Tag: Digest] = [:]
    }

    public init(name: String = "memory") {
        self.name = name
    }

    func repository(_ name: RepositoryName) -> Repository? { contents[name] }

    func change<R: Sendable>(_ name: RepositoryName, _ body: @Sendable (inout Repository) -> R) -> R {
        body(&contents[name, default: Repository()])
    }

    func beginUpload(in repository: RepositoryName) -> String {
        uploadsBegun += 1
        let id = "upload-\(uploadsBegun)"
        uploads[id] = Upload(repository: repository)
        return id
    }

    func upload(_ id: String, in repository: RepositoryName) -> ByteBuffer? {
        guard let upload = uploads[id], upload.repository == repository else { return nil }
        return upload.bytes
    }

    func append(_ chunk: ByteBuffer, to id: String) {
        uploads[id]?.bytes.writeImmutableBuffer(chunk)
    }

    func endUpload(_ id: String) {
        uploads[id] = nil
    }
}

extension MemoryStore: SourceStore, TargetStore {
    public func repositories() -> [RepositoryName] { contents.keys.sorted() }
    public func source(_ repository: RepositoryName) -> any ImageSource { MemoryRepository(self, repository) }
    public func target(_ repository: RepositoryName) -> any ImageTarget { MemoryRepository(self, repository) }
}

/// One repository of a `MemoryStore`.
struct MemoryRepository: Sendable {
    let store: MemoryStore
    let repository: RepositoryName

    init(_ store: MemoryStore, _ repository: RepositoryName) {
        self.store = store
        self.repository = repository
    }

    var name: String { "\(store.name)/\(repository)" }

    private func notFound(_ what: String) -> OCIError { OCIError(.notFound, "\(name) has no \(what)") }
}

extension MemoryRepository: ImageSource {
    func resolve(_ reference: TagOrDigest) async throws -> Descriptor {
        guard let found = try await find(reference) else { throw notFound("manifest \(reference)") }
        return found
    }

    func tags() async throws -> [Tag] { await store.repository(repository)?.tags.keys.sorted() ?? [] }

    func manifest(_ descriptor: Descriptor) async throws -> Manifest {
        guard let manifest = await store.repository(repository)?.manifests[descriptor.digest] else {
            throw notFound("manifest \(descriptor.digest)")
        }
        return try Manifest(manifest.bytes, as: descriptor, from: name)
    }

    func referrers(of digest: Digest) async throws -> [Descriptor] {
        let manifests = await store.repository(repository)?.manifests.values.filter { $0.subject?.digest == digest }
        return (manifests ?? []).map(\.asReferrer).sorted { $0.digest < $1.digest }
    }

    func read<R: Sendable>(
        _ blob: Descriptor, after prefix: Prefix?, _ body: @escaping @Sendable (Content) async throws -> R
    ) async throws -> R {
        guard let bytes = await store.repository(repository)?.blobs[blob.digest] else {
            throw notFound("blob \(blob.digest)")
        }
        return try await body(
            Content(blob, from: name, after: prefix) { send in
                var rest = bytes
                rest.moveReaderIndex(forwardBy: min(Int(prefix?.count ?? 0), rest.readableBytes))
                while let chunk = rest.readSlice(length: min(64 << 10, rest.readableBytes)), chunk.readableBytes > 0 {
                    try await send(chunk)
                }
            })
    }
}

extension MemoryRepository: ImageTarget, BlobMounting {
    func find(_ reference: TagOrDigest) async throws -> Descriptor? {
        guard let contents = await store.repository(repository) else { return nil }
        switch reference {
        case .digest(let digest): return contents.manifests[digest]?.descriptor
        case .tag(let tag): return contents.tags[tag].flatMap { contents.manifests[$0]?.descriptor }
        }
    }

    func contains(_ blob: Descriptor) async throws -> Bool {
        await store.repository(repository)?.blobs[blob.digest] != nil
    }

    func write(_ content: Content) async throws {
        let bytes = try await content.collect(upTo: .max)
        await store.change(repository) { $0.blobs[content.descriptor.digest] = bytes }
    }

    func push(_ manifest: Manifest, tags: [Tag]) async throws {
        await store.change(repository) { contents in
            contents.manifests[manifest.descriptor.digest] = manifest
            for tag in tags { contents.tags[tag] = manifest.descriptor.digest }
        }
    }

    func mount(_ blob: Descriptor, from other: RepositoryName) async throws -> Bool {
        guard let bytes = await store.repository(other)?.blobs[blob.digest] else { return false }
        await store.change(repository) { $0.blobs[blob.digest] = bytes }
        return true
    }
}

extension Manifest {
    /// The manifest's descriptor as a list of referrers carries it (distribution specification, "Listing referrers").
    public var asReferrer: Descriptor {
        var descriptor = descriptor
        descriptor.artifactType = artifactType
        descriptor.annotations = annotations
        return descriptor
    }
}
