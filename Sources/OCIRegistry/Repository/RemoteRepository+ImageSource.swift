import NIOCore
import NIOHTTP1
import OCI

extension RemoteRepository: NamedManifestSource {
    /// Docker Hub counts each manifest that is read as a pull, and none that is only asked for.
    public var countsManifests: Bool { registry.name == "docker.io" }

    public func manifest(named reference: TagOrDigest) async throws -> Manifest {
        guard let manifest = try await get(reference, pull) else {
            throw notFound(RemoteRepository.what(reference))
        }
        return manifest
    }
}

extension RemoteRepository: ImageSource {
    public func resolve(_ reference: TagOrDigest) async throws -> Descriptor {
        if let descriptor = try await head(reference, pull).descriptor { return descriptor }
        guard let manifest = try await get(reference, pull) else {
            throw notFound(RemoteRepository.what(reference))
        }
        return manifest.descriptor
    }

    /// Names that are no tags are passed over.
    public func tags() async throws -> [Tag] {
        let names = try await listedNames()
        var tags: [Tag] = []
        for name in names {
            do { tags.append(try Tag(name)) } catch { registry.skip(name, error) }
        }
        let listing = Set(tags.filter(\.listsReferrers))
        registry.withMemory { $0.referrersTags[repository] = listing }
        return tags.sorted()
    }

    public func manifest(_ descriptor: Descriptor) async throws -> Manifest {
        guard let manifest = try await get(.digest(descriptor.digest), pull) else {
            throw lost(RemoteRepository.what(.digest(descriptor.digest)))
        }
        return try checked(manifest, as: descriptor)
    }

    /// A manifest that has come for a descriptor, whose size may be what a header said only.
    func checked(_ manifest: Manifest, as descriptor: Descriptor) throws -> Manifest {
        var wanted = descriptor
        if registry.withMemory({ $0.statedSizes.contains(descriptor.digest) }) {
            wanted.size = manifest.descriptor.size
            if !wanted.mediaType.isManifest { wanted.mediaType = manifest.descriptor.mediaType }
        }
        return try Manifest(manifest.bytes, as: wanted, from: name)
    }

    public func read<R: Sendable>(
        _ blob: Descriptor, after prefix: Prefix?, _ body: @escaping @Sendable (Content) async throws -> R
    ) async throws -> R {
        let start = prefix?.count ?? 0
        return try await body(
            Content(blob, from: name, after: prefix) { send in
                try await BlobDownload(repository: self, blob: blob).run(from: start, send)
            })
    }
}
