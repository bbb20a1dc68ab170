import Logging
import NIOCore
import OCI
import Synchronization

/// A registry, of which what is asked for by digest is read from mirrors first.
///
/// A mirror is trusted no further than a digest goes: what tags there are and what they point to, only the registry
/// itself says. A mirror that fails or sends wrong bytes is passed over.
public struct MirroredRegistry: SourceStore {
    /// Another registry that may have the same blobs and manifests.
    public final class Mirror: Sendable {
        /// Failures after which a mirror is not asked any more.
        static let patience = 3

        let registry: Registry
        /// What stands there before each repository's name; empty for nothing.
        let prefix: String
        private let failures = Mutex(0)

        public init(_ registry: Registry, prefix: String) {
            self.registry = registry
            self.prefix = prefix
        }

        /// - Returns: nil if the mirror is no longer asked, or cannot have a repository of the name.
        func repository(_ name: RepositoryName) -> RemoteRepository? {
            guard failures.withLock({ $0 < Mirror.patience }) else { return nil }
            do {
                return registry.repository(prefix.isEmpty ? name : try RepositoryName("\(prefix)/\(name)"))
            } catch {
                return nil
            }
        }

        /// - Parameter isFinal: whether it must not be asked again, since it sends wrong bytes.
        func failed(_ error: any Failure, isFinal: Bool = false) {
            // That it lacks something is what mirrors do.
            guard isFinal || error.kind != .notFound else { return }
            let count = failures.withLock { count in
                count = isFinal ? Mirror.patience : count + 1
                return count
            }
            let end = count == Mirror.patience ? "; it is not asked any more" : ""
            registry.logger.notice("the mirror \(registry.name) is passed over: \(error.description)\(end)")
        }
    }

    public let origin: Registry
    private let mirrors: [Mirror]

    public init(_ origin: Registry, mirrors: [Mirror]) {
        self.origin = origin
        self.mirrors = mirrors
    }

    public var name: String { origin.name }

    public func repositories() async throws -> [RepositoryName] { try await origin.repositories() }

    public func source(_ repository: RepositoryName) async throws -> any ImageSource {
        MirroredRepository(origin: origin.repository(repository), mirrors: mirrors)
    }
}

/// One repository of a `MirroredRegistry`.
struct MirroredRepository: NamedManifestSource, DigestListing {
    let origin: RemoteRepository
    let mirrors: [MirroredRegistry.Mirror]

    var name: String { origin.name }

    func resolve(_ reference: TagOrDigest) async throws -> Descriptor { try await origin.resolve(reference) }

    func tags() async throws -> [Tag] { try await origin.tags() }

    var countsManifests: Bool { origin.countsManifests }

    func manifest(named reference: TagOrDigest) async throws -> Manifest { try await origin.manifest(named: reference) }

    func listedTags() async throws -> [Tag: ListedTag]? { try await origin.listedTags() }

    func descriptor(of listed: ListedTag) -> Descriptor { origin.descriptor(of: listed) }

    func referrers(of digest: Digest) async throws -> [Descriptor] { try await origin.referrers(of: digest) }

    func manifest(_ descriptor: Descriptor) async throws -> Manifest {
        for mirror in mirrors {
            guard let repository = mirror.repository(origin.repository) else { continue }
            do {
                guard let found = try await repository.get(.digest(descriptor.digest), repository.pull) else {
                    continue
                }
                return try origin.checked(found, as: descriptor)
            } catch let error as any Failure {
                mirror.failed(error, isFinal: error.kind == .damaged)
            }
        }
        return try await origin.manifest(descriptor)
    }

    func read<R: Sendable>(
        _ blob: Descriptor, after prefix: Prefix?, _ body: @escaping @Sendable (Content) async throws -> R
    ) async throws -> R {
        let start = prefix?.count ?? 0
        let used = UsedMirrors()
        do {
            return try await body(
                Content(blob, from: name, after: prefix) { send in
                    var offset = start
                    for mirror in mirrors {
                        guard let repository = mirror.repository(origin.repository) else { continue }
                        let before = offset
                        let isComplete = try await read(blob, &offset, from: repository, of: mirror, send)
                        if offset > before { used.list.withLock { $0.append(mirror) } }
                        if isComplete { return }
                    }
                    try await BlobDownload(repository: origin, blob: blob).run(from: offset, send)
                })
        } catch let error as any Failure where error.kind == .damaged {
            // Whoever has sent a part of it may have sent a wrong one; the next try is without them.
            for mirror in used.list.withLock({ $0 }) { mirror.failed(error, isFinal: true) }
            throw error
        }
    }

    /// The mirrors that have sent something of a blob.
    private final class UsedMirrors: Sendable {
        let list = Mutex<[MirroredRegistry.Mirror]>([])
    }

    /// Reads from a mirror as far as it goes.
    ///
    /// - Returns: whether all of it has come; what has not is read elsewhere, and the digest is that of the whole.
    private func read(
        _ blob: Descriptor, _ offset: inout Int64, from repository: RemoteRepository,
        of mirror: MirroredRegistry.Mirror, _ send: (ByteBuffer) async throws -> Void
    ) async throws -> Bool {
        var isRejected = false
        do {
            try await BlobDownload(repository: repository, blob: blob).run(from: offset) { chunk in
                do {
                    try await send(chunk)
                } catch {
                    isRejected = true
                    throw error
                }
                offset += Int64(chunk.readableBytes)
            }
        } catch let error as any Failure where !isRejected {
            mirror.failed(error)
            return false
        }
        return offset == blob.size
    }
}
