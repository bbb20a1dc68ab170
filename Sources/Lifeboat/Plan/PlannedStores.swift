import OCI
import OCIRegistry

/// What the steps before will have written to one store, so that later steps can be planned without its being there.
actor PlannedImages {
    private(set) var images: [String: NamedImage] = [:]
    private var tags: [RepositoryName: [Tag: Descriptor]] = [:]
    private var digests: [RepositoryName: [Digest: Descriptor]] = [:]
    private var referrers: [Digest: [Descriptor]] = [:]
    private var spools: [ManifestSpool] = []

    func add(_ items: [PlanItem], for target: Int, spool: ManifestSpool) {
        spools.append(spool)
        for item in items where item.target == target {
            guard let graph = item.graph else { continue }
            var image = item.source
            image.repository = item.targetRepository
            image.tag = item.targetTag
            image.descriptor = graph.root
            images[image.name] = image
            if let tag = image.tag { tags[image.repository, default: [:]][tag] = graph.root }
            for manifest in graph.manifests { digests[image.repository, default: [:]][manifest.digest] = manifest }
            referrers.merge(graph.referrers) { $1 }
        }
    }

    func sorted(with others: [NamedImage]) -> [NamedImage] {
        let kept = others.filter { images[$0.name] == nil }
        return (kept + images.values).sorted {
            ($0.registry ?? "", $0.repository, $0.tag?.description ?? "")
                < ($1.registry ?? "", $1.repository, $1.tag?.description ?? "")
        }
    }

    var repositories: [RepositoryName] { Array(digests.keys) }
    func has(_ repository: RepositoryName) -> Bool { digests[repository] != nil }
    func tags(of repository: RepositoryName) -> [Tag] { tags[repository].map { Array($0.keys) } ?? [] }
    func referrers(of digest: Digest) -> [Descriptor] { referrers[digest] ?? [] }

    func find(_ reference: TagOrDigest, in repository: RepositoryName) -> Descriptor? {
        switch reference {
        case .tag(let tag): tags[repository]?[tag]
        case .digest(let digest): digests[repository]?[digest]
        }
    }

    func manifest(_ digest: Digest) async throws -> Manifest? {
        for spool in spools { if let manifest = try await spool.find(digest) { return manifest } }
        return nil
    }
}

/// A registry as it will be after the steps before.
struct PlannedRegistry: SourceStore, TargetStore {
    let images: PlannedImages
    let base: Registry

    var name: String { base.name }
    var host: String { base.name }

    func repositories() async throws -> [RepositoryName] {
        Set(try await base.repositories() + images.repositories).sorted()
    }

    func source(_ repository: RepositoryName) async throws -> any ImageSource {
        PlannedRepository(images: images, repository: repository, base: base.repository(repository), name: name)
    }

    func target(_ repository: RepositoryName) async throws -> any ImageTarget {
        PlannedRepository(images: images, repository: repository, base: base.repository(repository), name: name)
    }
}

/// An archive or layout as it will be after the steps before.
struct PlannedCatalog: ImageCatalog {
    let images: PlannedImages
    /// What is there now and stays; nil where nothing is.
    let base: (any ImageCatalog)?
    let name: String

    func images() async throws -> [NamedImage] { await images.sorted(with: try await base?.images() ?? []) }

    func repositories() async throws -> [RepositoryName] { Set(try await images().map(\.repository)).sorted() }

    func source(_ repository: RepositoryName) async throws -> any ImageSource {
        PlannedRepository(
            images: images, repository: repository, base: try await base?.source(repository), name: name)
    }
}

/// Manifests of a planned store; blobs cannot be read before they are there.
private struct PlannedRepository: ImageSource, ImageTarget {
    let images: PlannedImages
    let repository: RepositoryName
    let base: (any Sendable)?
    let store: String

    init(images: PlannedImages, repository: RepositoryName, base: (any Sendable)?, name: String) {
        self.images = images
        self.repository = repository
        self.base = base
        store = name
    }

    var name: String { "\(store)/\(repository)" }

    private var source: (any ImageSource)? { base as? any ImageSource }

    func resolve(_ reference: TagOrDigest) async throws -> Descriptor {
        if let planned = await images.find(reference, in: repository) { return planned }
        guard let source else { throw LifeboatError(.notFound, "\(name) will have no \(reference)") }
        return try await source.resolve(reference)
    }

    func tags() async throws -> [Tag] {
        var tags = Set(await images.tags(of: repository))
        do {
            tags.formUnion(try await source?.tags() ?? [])
        } catch let error as any Failure where error.kind == .notFound {
            guard await images.has(repository) else { throw error }
        }
        return tags.sorted()
    }

    func manifest(_ descriptor: Descriptor) async throws -> Manifest {
        if let planned = try await images.manifest(descriptor.digest) { return planned }
        guard let source else { throw LifeboatError(.notFound, "\(name) will have no manifest \(descriptor.digest)") }
        return try await source.manifest(descriptor)
    }

    func referrers(of digest: Digest) async throws -> [Descriptor] {
        let planned = await images.referrers(of: digest)
        if !planned.isEmpty { return planned }
        if await images.find(.digest(digest), in: repository) != nil { return [] }
        return try await source?.referrers(of: digest) ?? []
    }

    func read<R: Sendable>(
        _ blob: Descriptor, after prefix: Prefix?, _ body: @escaping @Sendable (Content) async throws -> R
    ) async throws -> R {
        throw LifeboatError(.internal, "\(name) is planned and holds no blobs yet")
    }

    func find(_ reference: TagOrDigest) async throws -> Descriptor? {
        if let planned = await images.find(reference, in: repository) { return planned }
        return try await (base as? any ImageTarget)?.find(reference)
    }

    func contains(_ blob: Descriptor) async throws -> Bool {
        try await (base as? any ImageTarget)?.contains(blob) ?? false
    }

    func write(_ content: Content) async throws {
        throw LifeboatError(.internal, "\(name) is planned and cannot be written")
    }

    func push(_ manifest: Manifest, tags: [Tag]) async throws {
        throw LifeboatError(.internal, "\(name) is planned and cannot be written")
    }
}

/// A layout folder that does not exist: nothing is there.
struct AbsentLayout: TargetStore {
    let name: String

    func target(_ repository: RepositoryName) async throws -> any ImageTarget {
        PlannedRepository(images: PlannedImages(), repository: repository, base: nil, name: name)
    }
}
