import NIOCore

/// A catalog whose images have been sorted by name, so that none is searched for among all of them.
///
/// It shows the catalog as it was when it was made. Content is the catalog's: what is named by digest is found under
/// every repository of that name, whichever registry is asked for.
public struct ImageDirectory: RegistryScopedStore, ImageCatalog {
    private let catalog: any ImageCatalog
    private let all: [NamedImage]
    private let byRepository: [RepositoryName: [NamedImage]]
    private let known: Set<String>
    private let opened = OpenedSources()

    public init(_ catalog: any ImageCatalog) async throws {
        self.catalog = catalog
        all = try await catalog.images()
        byRepository = Dictionary(grouping: all, by: \.repository)
        known = Set(all.compactMap(\.registry))
    }

    public var name: String { catalog.name }

    public func images() -> [NamedImage] { all }

    public func repositories() -> [RepositoryName] { byRepository.keys.sorted() }

    public func registries() -> Set<String> { known }

    public func source(_ repository: RepositoryName) async throws -> any ImageSource {
        try await source(repository, of: nil)
    }

    public func source(_ repository: RepositoryName, of registry: String?) async throws -> any ImageSource {
        let images = (byRepository[repository] ?? []).filter {
            registry == nil || $0.registry == nil || $0.registry == registry
        }
        guard !images.isEmpty else {
            let origin = registry.map { " of \(shown($0, limit: 300))" } ?? ""
            throw OCIError(.notFound, "\(name) has no repository \(repository)\(origin)")
        }
        let source = try await opened.source(repository, of: catalog)
        guard let source = source as? any RandomAccessSource else { return source }
        return DirectorySource(source: source, repository: repository, images: images)
    }

    /// The catalog's sources, each opened once.
    private actor OpenedSources {
        private var sources: [RepositoryName: any ImageSource] = [:]

        func source(_ repository: RepositoryName, of catalog: any ImageCatalog) async throws -> any ImageSource {
            if let known = sources[repository] { return known }
            let source = try await catalog.source(repository)
            sources[repository] = source
            return source
        }
    }
}

/// One repository of an `ImageDirectory`, of one registry or of whichever.
private struct DirectorySource: RandomAccessSource {
    let source: any RandomAccessSource
    let repository: RepositoryName
    /// Those of the repository that may be meant.
    let images: [NamedImage]

    var name: String { source.name }

    func tags() -> [Tag] { Set(images.compactMap(\.tag)).sorted() }

    func resolve(_ reference: TagOrDigest) async throws -> Descriptor {
        switch reference {
        case .tag(let tag): try images.descriptor(of: tag, in: name)
        case .digest: try await source.resolve(reference)
        }
    }

    func manifest(_ descriptor: Descriptor) async throws -> Manifest { try await source.manifest(descriptor) }
    func referrers(of digest: Digest) async throws -> [Descriptor] { try await source.referrers(of: digest) }
    func blob(_ digest: Digest) async throws -> Descriptor? { try await source.blob(digest) }
    func stamp(of blob: Descriptor) async throws -> String { try await source.stamp(of: blob) }

    func read<R: Sendable>(
        _ blob: Descriptor, after prefix: Prefix?, _ body: @escaping @Sendable (Content) async throws -> R
    ) async throws -> R {
        try await source.read(blob, after: prefix, body)
    }

    func readUnverified(
        _ blob: Descriptor, in range: Range<Int64>, by pieceSize: Int, send: (ByteBuffer) async throws -> Void
    ) async throws {
        try await source.readUnverified(blob, in: range, by: pieceSize, send: send)
    }
}

extension [NamedImage] {
    /// What a tag stands for among the images of one repository: one that is known to come from somewhere comes
    /// before one that may come from anywhere.
    ///
    /// - Parameter name: how messages call the repository.
    /// - Throws: `OCIError` `.notFound`, or `.conflict` for a tag that stands for several images.
    fileprivate func descriptor(of tag: Tag, in name: String) throws -> Descriptor {
        let tagged = filter { $0.tag == tag }
        let placed = tagged.filter { $0.registry != nil }
        let candidates = placed.isEmpty ? tagged : placed
        guard let first = candidates.first else { throw OCIError(.notFound, "\(name) has no manifest \(tag)") }
        guard candidates.allSatisfy({ $0.descriptor.digest == first.descriptor.digest }) else {
            throw OCIError(
                .conflict,
                "\(tag) stands for several images in \(name), of "
                    + Set(candidates.compactMap(\.registry)).sorted().map { shown($0, limit: 300) }
                    .joined(separator: " and "))
        }
        return first.descriptor
    }
}
