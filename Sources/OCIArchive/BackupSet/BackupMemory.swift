import NIOCore
import OCI

/// What a set knows of images from before, so that nobody has to be asked for it again.
actor BackupMemory {
    private let set: BackupSet
    private let scope: String
    private var loading: Task<Known?, any Error>?

    /// The newest backup of the same scope.
    private struct Known: Sendable {
        let source: BackupSource
        let images: Set<ImageKey>
    }

    private struct ImageKey: Hashable {
        let registry: String?
        let repository: RepositoryName
        let digest: Digest

        init(_ image: NamedImage) {
            registry = image.registry
            repository = image.repository
            digest = image.descriptor.digest
        }
    }

    init(_ set: BackupSet, scope: String) {
        self.set = set
        self.scope = scope
    }

    /// A manifest whose bytes are here and right: by its digest it is the same wherever it comes from.
    func manifest(_ descriptor: Descriptor) async throws -> Manifest? {
        guard descriptor.size <= Manifest.sizeLimit,
            try await self.set.status(of: descriptor.digest)?.size == descriptor.size
        else { return nil }
        return try await self.set.folder.readableManifest(descriptor)
    }

    func referrers(of image: NamedImage) async throws -> [Digest: [Descriptor]]? {
        guard let known = try await known(), known.images.contains(ImageKey(image)) else { return nil }
        var found: [Digest: [Descriptor]] = [:]
        for (subject, digests) in known.source.referrers {
            for digest in digests {
                guard let blob = known.source.blobs[digest], let manifest = try await manifest(blob.descriptor) else {
                    // Its bytes are gone here: ask again what there is.
                    return nil
                }
                found[subject, default: []].append(manifest.asReferrer)
            }
        }
        return found
    }

    private func known() async throws -> Known? {
        let task = loading ?? Task { [set, scope] in try await BackupMemory.load(set, scope: scope) }
        loading = task
        return try await task.value
    }

    private static func load(_ set: BackupSet, scope: String) async throws -> Known? {
        guard !scope.isEmpty else { return nil }
        for backup in try await set.backups().reversed() where backup.header.scope == scope {
            do {
                let source = try await set.source(of: backup)
                return Known(source: source, images: Set(source.named.map(ImageKey.init)))
            } catch let error as any Failure where error.kind == .damaged || error.kind == .notFound {
                continue
            }
        }
        return nil
    }
}
