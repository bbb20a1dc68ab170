import NIOCore
import OCI
import Synchronization

/// A store in memory that notes how many bytes are read from it at once.
struct WatchedReads: SourceStore {
    let store: MemoryStore
    private let largest = Largest()

    /// What each reading of a part ends with, if with something.
    private let fault: OCIError?

    init(store: MemoryStore, fault: OCIError? = nil) {
        self.store = store
        self.fault = fault
    }

    /// The most bytes of one reading so far.
    var most: Int { largest.value.load(ordering: .relaxed) }

    var name: String { store.name }
    func repositories() async throws -> [RepositoryName] { await store.repositories() }
    func source(_ repository: RepositoryName) async throws -> any ImageSource {
        guard let source = await store.source(repository) as? any RandomAccessSource else {
            throw OCIError(.internal, "memory cannot be read at random")
        }
        return WatchedSource(source: source, largest: largest, fault: fault)
    }

    private final class Largest: Sendable {
        let value = Atomic<Int>(0)
    }

    private struct WatchedSource: RandomAccessSource {
        let source: any RandomAccessSource
        let largest: Largest
        let fault: OCIError?

        var name: String { source.name }
        func resolve(_ reference: TagOrDigest) async throws -> Descriptor { try await source.resolve(reference) }
        func tags() async throws -> [Tag] { try await source.tags() }
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
            if let fault { throw fault }
            largest.value.max(pieceSize, ordering: .relaxed)
            try await source.readUnverified(blob, in: range, by: pieceSize, send: send)
        }
    }
}
