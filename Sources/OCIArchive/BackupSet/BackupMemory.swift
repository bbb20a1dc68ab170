import NIOCore
import OCI

/// What a set knows of images from before, so that nobody has to be asked for it again.
actor BackupMemory {
    private let set: BackupSet
    private let scope: String
    private let pipeline: String
    private var loading: Task<Known, any Error>?
    private var damage: [Digest: Set<Int64>]?

    /// The backups of the same scope that matter, of the same pipeline if it has any: another one may name images
    /// otherwise.
    struct Known: Sendable {
        /// The newest that is complete and believed.
        var baseline: BackupSource?
        /// The images of the newest, whatever became of it.
        var images: Set<ImageKey> = []
        /// What they are called.
        var names: [RepositoryName: Set<TagOrDigest>] = [:]
        /// What refers to their manifests.
        var referrers = RememberedReferrers(time: 0)
    }

    struct ImageKey: Hashable, Sendable {
        let registry: String?
        let repository: RepositoryName
        let digest: Digest

        init(_ image: NamedImage) {
            registry = image.registry
            repository = image.repository
            digest = image.descriptor.digest
        }
    }

    init(_ set: BackupSet, scope: String, pipeline: String) {
        self.set = set
        self.pipeline = pipeline
        self.scope = scope
    }

    /// A manifest whose bytes are here and right: by its digest it is the same wherever it comes from.
    func manifest(_ descriptor: Descriptor) async throws -> Manifest? {
        guard descriptor.size <= Manifest.sizeLimit,
            try await self.set.status(of: descriptor.digest)?.size == descriptor.size
        else { return nil }
        return try await self.set.folder.readableManifest(descriptor)
    }

    /// Whether a file of the right size is there that nobody has found damaged.
    func holds(_ blob: Descriptor) async throws -> Bool {
        let known: [Digest: Set<Int64>]
        if let damage { known = damage } else { known = try await self.set.knownDamage() }
        damage = known
        guard let status = try await self.set.status(of: blob.digest), status.size == blob.size else { return false }
        return known[blob.digest]?.contains(status.modified) != true
    }

    func referrers(of image: NamedImage) async throws -> RememberedReferrers? {
        let known = try await known()
        return known.images.contains(ImageKey(image)) ? known.referrers : nil
    }

    func remembers(_ reference: TagOrDigest, in repository: RepositoryName) async throws -> Bool {
        try await known().names[repository]?.contains(reference) == true
    }

    func known() async throws -> Known {
        let task = loading ?? Task { try await self.load() }
        loading = task
        return try await task.value
    }

    private func load() async throws -> Known {
        guard !scope.isEmpty else { return Known() }
        var backups = try await self.set.backups().filter { $0.header.scope == scope }
        let own = backups.filter { $0.header.pipeline == pipeline }
        if !own.isEmpty { backups = own }
        let accepted = try await self.set.accepted()
        var known = Known()
        var newest: BackupSource?
        for backup in backups.reversed() {
            let isBaseline = backup.isGood(accepted)
            guard newest == nil || isBaseline else { continue }
            do {
                let source = try BackupSource(try await self.set.record(backup), backup: backup, in: self.set)
                newest = newest ?? source
                guard isBaseline else { continue }
                known.baseline = source
                break
            } catch let error as any Failure where error.kind == .damaged || error.kind == .notFound {
                continue
            }
        }
        guard let newest else { return known }
        known.referrers.time = newest.backup.header.ended * 1000
        for image in newest.named {
            let reference: TagOrDigest = image.tag.map { .tag($0) } ?? .digest(image.descriptor.digest)
            known.names[image.repository, default: []].insert(reference)
        }
        for (subject, digests) in newest.referrers {
            for digest in digests {
                guard let blob = newest.blobs[digest], let manifest = try await manifest(blob.descriptor) else {
                    // Its bytes are gone here: ask again what there is.
                    return known
                }
                known.referrers.referrers[subject, default: []].append(manifest.asReferrer)
            }
        }
        known.images = Set(newest.named.map(ImageKey.init))
        return known
    }
}
