import NIOCore
import OCI
import Synchronization

/// A backup that is being added to a set.
///
/// Blobs and manifests go to their places as they come, as far as the set lacks them; the record that makes them a
/// backup is written last. Any number of writers may be at work in one set.
public final class BackupTarget: Sendable {
    /// What a backup is, besides its images.
    public struct Purpose: Sendable, Hashable {
        /// The name of the definition.
        public var pipeline: String
        /// What the images come from, as reports name it.
        public var source: String
        /// What was asked for (`BackupHeader.scope`).
        public var scope: String
        /// Seconds since 1970.
        public var began: Int64

        public init(pipeline: String, source: String, scope: String, began: Int64) {
            self.pipeline = pipeline
            self.source = source
            self.scope = scope
            self.began = began
        }
    }

    public let set: BackupSet
    public let purpose: Purpose
    let memory: BackupMemory
    private let phase: Mutex<Phase>
    private let doubt = Mutex<String?>(nil)

    private enum Phase {
        case new
        case writing(Session)
        case ended
    }

    /// What is in hand between begin and commit.
    struct Session {
        let images: [PlannedImage]
        let manifest: @Sendable (Digest) async throws -> Manifest
        let blobs: BackupBlobs
        let lock: BackupSetLock
        let heads: [Digest]
    }

    public init(_ set: BackupSet, _ purpose: Purpose) {
        self.set = set
        self.purpose = purpose
        memory = BackupMemory(set, scope: purpose.scope, pipeline: purpose.pipeline)
        phase = Mutex(.new)
    }

    /// Makes the backup suspect: it is kept and warned of, and no reason to forget another one.
    public func doubt(because reason: String) {
        doubt.withLock { $0 = reason }
    }

    /// The newest backup of the same scope that is complete and believed.
    public func baseline() async throws -> BackupSource? { try await memory.known().baseline }

    func session() throws -> Session {
        try phase.withLock { phase throws(ArchiveError) in
            guard case .writing(let session) = phase else {
                throw ArchiveError(.internal, "\(set.name) is not being written")
            }
            return session
        }
    }

    private func leave() -> Session? {
        phase.withLock { phase in
            defer { phase = .ended }
            if case .writing(let session) = phase { return session }
            return nil
        }
    }
}

extension BackupTarget: PartialTarget {
    public var name: String { self.set.name }
    public var isSequential: Bool { false }

    public func holds(_ blob: Descriptor) async throws -> Bool { try await memory.holds(blob) }

    public func target(_ repository: RepositoryName) throws -> any ImageTarget {
        BackupTargetRepository(backup: self, repository: repository)
    }

    public func begin(
        _ images: [PlannedImage], reading manifest: @escaping @Sendable (Digest) async throws -> Manifest
    ) async throws -> [Descriptor] {
        var walk = PlanWalk()
        let sorted = images.sorted { $0.image.precedes($1.image) }
        for planned in sorted { try await walk.visit(planned.graph, .manifests, manifest) }
        for planned in sorted { try await walk.visit(planned.graph, .blobs, manifest) }
        let lock = try await self.set.lock(shared: true)
        do {
            try await self.set.folder.sweep()
            let session = Session(
                images: images, manifest: manifest, blobs: try await BackupBlobs(self.set), lock: lock,
                heads: try await self.set.heads())
            phase.withLock { $0 = .writing(session) }
        } catch {
            await afterFailure { try await lock.release() }
            throw error
        }
        return (walk.configs + walk.layers).map(\.descriptor)
    }

    public func commit() async throws -> Digest { try await commit(try session().images, missing: []) }

    public func commit(_ images: [PlannedImage], missing: [MissingImage]) async throws -> Digest {
        let session = try session()
        try await session.blobs.finish()
        let contents = try await ArchiveContents(of: images, reading: session.manifest)
        let added = await session.blobs.added
        var header = BackupHeader(
            pipeline: purpose.pipeline, source: purpose.source, scope: purpose.scope, began: purpose.began,
            ended: Moment(milliseconds: self.set.surroundings.now()).seconds,
            state: missing.isEmpty ? .complete : .incomplete, suspect: doubt.withLock { $0 },
            images: contents.images.count, blobs: contents.blobs.count)
        for blob in contents.blobs {
            header.bytes += blob.size
            if added.contains(blob.digest) { header.bytesAdded += blob.size }
        }
        let record = BackupRecord(
            header: header, heads: session.heads, forgotten: try await self.set.forgotten().sorted(),
            images: contents.images, missing: missing.sorted { $0.name < $1.name }, blobs: contents.blobs,
            omitted: contents.omitted)
        let backup = try await self.set.seal(record)
        try await self.set.writeIndex(contents)
        if let session = leave() { try await session.lock.release() }
        return backup.id
    }

    /// What has come stays where it is: the next run finds it.
    public func abort() async {
        guard let session = leave() else { return }
        await afterFailure { try await session.blobs.finish() }
        await afterFailure { try await session.lock.release() }
    }
}

extension BackupTarget: RememberingTarget {
    public func remembered(_ manifest: Descriptor) async throws -> Manifest? {
        try await memory.manifest(manifest)
    }

    public func remembers(_ reference: TagOrDigest, in repository: RepositoryName) async throws -> Bool {
        try await memory.remembers(reference, in: repository)
    }

    public func rememberedReferrers(of image: NamedImage) async throws -> RememberedReferrers? {
        try await memory.referrers(of: image)
    }
}

extension ArchiveContents {
    /// The images and blobs, in the order of archives.
    init(of images: [PlannedImage], reading manifest: @Sendable (Digest) async throws -> Manifest) async throws {
        self = try await ArchiveDraft(images, since: nil, reading: manifest).contents
    }
}
