import OCI
import Synchronization

extension BackupSource {
    /// The most blobs that one look asks for.
    public static let glance = 256

    /// Looks whether what the record lists is in the set still: at what was missed before, and at a part of the rest,
    /// so that many looks have seen all of it.
    ///
    /// - Throws: `ArchiveError` `.local` for a set that is gone, `.damaged` for a blob that is; `FileError`.
    public func checkPresence() async throws {
        if let fault = try await self.set.absence() { throw fault }
        for digest in lost.all where try await status(of: digest) != nil { lost.forget(digest) }
        for digest in lost.next(BackupSource.glance, of: blobs.keys) where try await status(of: digest) == nil {
            throw try await absence(of: digest)
        }
        if let digest = lost.all.first { throw try await absence(of: digest) }
    }
}

/// Blobs that a record lists and that were not there when they were looked for.
final class LostBlobs: Sendable {
    /// The most that are remembered.
    private static let limit = 1000

    private struct State {
        var digests: Set<Digest> = []
        /// Where the next look begins.
        var place = 0
    }

    private let state = Mutex(State())

    var all: [Digest] { state.withLock { $0.digests }.sorted() }

    func note(_ digest: Digest) {
        state.withLock { state in
            if state.digests.count < LostBlobs.limit { state.digests.insert(digest) }
        }
    }

    func forget(_ digest: Digest) { state.withLock { _ = $0.digests.remove(digest) } }

    /// So many of a collection that does not change, in turn.
    func next(_ count: Int, of digests: Dictionary<Digest, ArchivedBlob>.Keys) -> [Digest] {
        state.withLock { state in
            if state.place >= digests.count { state.place = 0 }
            defer { state.place += count }
            return Array(digests.dropFirst(state.place).prefix(count))
        }
    }
}
