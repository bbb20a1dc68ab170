import OCI

/// A lock on a set, held until it is given back.
public struct BackupSetLock: Sendable {
    fileprivate let file: any File

    public func release() async throws { try await file.close() }
}

extension BackupSet {
    /// Takes the set's lock: writers share it, whoever takes things away has it alone. Readers need none.
    ///
    /// - Throws: `ArchiveError` `.locked` at once if another process is in the way.
    public func lock(shared: Bool) async throws -> BackupSetLock {
        guard let file = try await folder.openWorkFile(folder.lockPath, .readWrite, shared: shared) else {
            throw ArchiveError(
                .locked,
                shared
                    ? "\(name) is being pruned"
                    : "\(name) is in use by another run: a backup is being written or pruned",
                advice: "wait until it has ended, and run it again")
        }
        return BackupSetLock(file: file)
    }

    /// Runs `body` with the lock.
    public func locked<R: Sendable>(shared: Bool, _ body: () async throws -> R) async throws -> R {
        let lock = try await lock(shared: shared)
        return try await closing(lock.file) { try await body() }
    }
}
