import NIOCore
import OCI

/// The blobs of a set, as one writer sees them: what is there, and what it adds.
///
/// Small blobs are synced many at a time and get their names then, so that a file under its name is always whole, also
/// after the power failed.
actor BackupBlobs {
    /// From this size on a blob is synced by itself.
    static let largeSize: Int64 = 4 << 20
    /// The most small blobs that wait to be synced together; each holds a file open.
    static let batchSize = 64
    private static let syncsAtATime = 8

    private let set: BackupSet
    /// Blobs that a verification found damaged, with the time of modification of the file that it read.
    private let damaged: [Digest: Set<Int64>]
    private var waiting: [Digest: LayoutPartial] = [:]
    /// What this writer has brought.
    private(set) var added: Set<Digest> = []
    private var folders: Set<Digest.Algorithm> = [.sha256]
    private var failure: (any Error)?

    init(_ set: BackupSet) async throws {
        self.set = set
        damaged = try await set.knownDamage()
    }

    /// Whether a file of the right size is there that nobody has found damaged. Its bytes are not read, but for those
    /// of one that comes back from the trash.
    func holds(_ blob: Descriptor) async throws -> Bool {
        if waiting[blob.digest] != nil { return true }
        if let status = try await self.set.status(of: blob.digest), status.kind == .file, status.size == blob.size {
            return damaged[blob.digest]?.contains(status.modified) != true
        }
        return try await takeBack(blob)
    }

    func store(_ content: Content) async throws {
        let blob = content.descriptor
        guard content.prefix.count == 0 else {
            throw ArchiveError(.internal, "blob \(blob.digest) was not sent from its first byte")
        }
        let partial = try await LayoutPartial.create("blob", in: self.set.folder)
        do {
            if blob.size >= LayoutFolder.reservedSize { try await partial.file.reserve(blob.size) }
            var run = WriteRun()
            try await content.forEachChunk { try await run.append($0, to: partial.file) }
            try await run.flush(to: partial.file)
            try await makeFolder(for: blob.digest.algorithm)
            if blob.size >= BackupBlobs.largeSize {
                try await partial.sync()
                try await partial.name(as: self.set.path(of: blob.digest))
            }
        } catch {
            await partial.discard()
            throw error
        }
        added.insert(blob.digest)
        guard blob.size < BackupBlobs.largeSize else { return }
        if let other = waiting.updateValue(partial, forKey: blob.digest) { await other.discard() }
        if waiting.count >= BackupBlobs.batchSize { try await flush() }
    }

    /// Makes all that was brought durable.
    ///
    /// - Throws: what kept some of it from it, now or before.
    func finish() async throws {
        try await flush()
        if let failure { throw failure }
        for algorithm in folders { try await self.set.files.syncFolder(self.set.folder.folder(of: algorithm)) }
    }

    private func flush() async throws {
        let batch = waiting
        waiting = [:]
        do {
            try await forEach(batch, limit: BackupBlobs.syncsAtATime) { [set] digest, partial in
                try await partial.sync()
                try await partial.name(as: set.path(of: digest))
            }
        } catch {
            failure = failure ?? error
            for partial in batch.values { await partial.discard() }
            throw error
        }
    }

    private func makeFolder(for algorithm: Digest.Algorithm) async throws {
        guard folders.insert(algorithm).inserted else { return }
        try await self.set.files.createFolder(self.set.folder.folder(of: algorithm))
    }

    /// Takes a blob back that a prune has put aside, if its bytes are right.
    private func takeBack(_ blob: Descriptor) async throws -> Bool {
        guard let path = try await self.set.trashed(blob.digest) else { return false }
        guard let (file, status) = try await self.set.folder.open(path), status.size == blob.size else { return false }
        let isRight = try await closing(file) { [set] in
            do {
                try await Content(blob, from: set.name, after: nil) { send in
                    try await set.folder.send(file, in: 0..<blob.size, send)
                }.verify()
                return true
            } catch let error as any Failure where error.kind == .damaged {
                return false
            }
        }
        guard isRight else { return false }
        try await makeFolder(for: blob.digest.algorithm)
        do {
            try await self.set.files.rename(path, to: self.set.path(of: blob.digest))
        } catch let error as FileError where error.isNotFound {
            // Another writer has taken it back.
            return try await self.set.status(of: blob.digest)?.size == blob.size
        }
        added.insert(blob.digest)
        return true
    }
}
