import OCI
import OCIArchive

/// Looks at stores without moving anything: what is there, and what an image consists of.
public struct Survey: Sendable {
    public let environment: RunEnvironment

    public init(_ environment: RunEnvironment) {
        self.environment = environment
    }

    /// One image, or the reason why it cannot be read.
    public struct Entry: Sendable {
        public var name: String
        public var image: NamedImage?
        /// All that belongs to it; nil if that was not asked for.
        public var graph: ImageGraph?
        public var failure: FailureReport?
        /// Why not all of it is in what was opened: a delta or a volume may list what others hold.
        public var lack: FailureReport?
    }

    /// Every image that a source means, sorted as the store sorts them.
    ///
    /// - Parameter readsGraphs: whether manifests are read, for sizes; a listing alone costs one request a tag.
    public func list(_ source: SourceDefinition, readsGraphs: Bool) async throws -> [Entry] {
        try await withStores(environment) { stores in
            let store = try await stores.source(source.store)
            let outcome = try await Selector(store: store).select(source.selection)
            let spool = ManifestSpool(fileSystem: environment.fileSystem, folder: environment.workFolder)
            let entries = try await map(outcome.selected, limit: 16) { selected -> Entry in
                var entry = Entry(name: selected.image.name, image: selected.image)
                entry.lack = (store as? any LinkedArchive)?.lack(of: selected.image).map { FailureReport($0) }
                guard readsGraphs, entry.lack == nil else { return entry }
                do {
                    let reader = SpooledReader(source: try await store.source(selected.image.repository), spool: spool)
                    entry.graph = try await ImageGraph.read(
                        selected.image.descriptor, platforms: selected.rule.platforms,
                        referrers: selected.rule.referrers, from: reader, where: selected.rule.wants(referrer:))
                } catch let error as any Failure {
                    entry.failure = FailureReport(error)
                }
                return entry
            }
            try await spool.close()
            return entries + outcome.failures.map { Entry(name: $0.name, failure: FailureReport($0.error)) }
        }
    }

    /// A manifest with the manifests under it and those that refer to it.
    public struct Node: Sendable {
        public var descriptor: Descriptor
        public var manifest: Manifest
        public var children: [Node]
        public var referrers: [Node]
    }

    /// The tree of every image that a source means.
    ///
    /// - Returns: nil, and why, for an image that is not all in what was opened.
    public func inspect(
        _ source: SourceDefinition
    ) async throws -> [(image: NamedImage, tree: Node?, lack: FailureReport?)] {
        try await withStores(environment) { stores in
            let store = try await stores.source(source.store)
            let outcome = try await Selector(store: store).select(source.selection)
            if let failure = outcome.failures.first { throw failure.error }
            var trees: [(image: NamedImage, tree: Node?, lack: FailureReport?)] = []
            for selected in outcome.selected {
                let lack = (store as? any LinkedArchive)?.lack(of: selected.image).map { FailureReport($0) }
                if let lack {
                    trees.append((selected.image, nil, lack))
                    continue
                }
                let repository = try await store.source(selected.image.repository)
                var seen: Set<Digest> = []
                let tree = try await node(selected.image.descriptor, in: repository, seen: &seen, depth: 0)
                trees.append((selected.image, tree, nil))
            }
            return trees
        }
    }

    private func node(_ descriptor: Descriptor, in source: any ImageSource, seen: inout Set<Digest>, depth: Int)
        async throws
        -> Node
    {
        guard depth <= ImageGraph.depthLimit else {
            throw LifeboatError(.policy, "\(descriptor.digest.short) is nested deeper than \(ImageGraph.depthLimit)")
        }
        let manifest = try await source.manifest(descriptor)
        var node = Node(descriptor: descriptor, manifest: manifest, children: [], referrers: [])
        guard seen.insert(descriptor.digest).inserted else { return node }
        if case .index(let children) = manifest.kind {
            for child in children where child.mediaType.isManifest {
                node.children.append(try await self.node(child, in: source, seen: &seen, depth: depth + 1))
            }
        }
        for referrer in try await source.referrers(of: descriptor.digest) where !seen.contains(referrer.digest) {
            node.referrers.append(try await self.node(referrer, in: source, seen: &seen, depth: depth + 1))
        }
        return node
    }
}
