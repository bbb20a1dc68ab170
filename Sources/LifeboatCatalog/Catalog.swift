import Dispatch
import GRDB
import Glibc
import Lifeboat
import OCI

/// What Lifeboat remembers from run to run, in one SQLite file that several processes may use at once.
///
/// It is a cache: without it nothing is lost but the answer to "was it us who wrote this tag?". The file is opened, and
/// made, when it is asked for the first time.
public actor Catalog {
    public static let fileName = "catalog.sqlite"
    /// How long to wait for another process that writes.
    static let patience = 10.0

    public nonisolated let path: String
    private var opened: DatabaseQueue?
    private var opening: Task<DatabaseQueue, any Error>?

    /// - Parameter folder: where the file is; made with its first use.
    public init(folder: String) {
        path = folder + "/" + Catalog.fileName
    }

    /// - Throws: `CatalogError`.
    func database() async throws -> DatabaseQueue {
        if let opened { return opened }
        if let opening { return try await opening.value }
        let path = path
        let task = Task { try await onThread { try CatalogFile.open(path) } }
        opening = task
        defer { opening = nil }
        let database = try await task.value
        opened = database
        return database
    }

    /// Runs `body` with the open file.
    ///
    /// - Throws: `CatalogError` for what SQLite says, and what else `body` throws.
    nonisolated func asking<R: Sendable>(_ body: @Sendable (DatabaseQueue) async throws -> R) async throws -> R {
        do {
            return try await body(try await database())
        } catch let error as CancellationError {
            throw error
        } catch let error as OCIError {
            // A value that does not parse was not written by us.
            throw CatalogError(damaged: path, because: error.description)
        } catch let error as any Failure {
            throw error
        } catch {
            throw CatalogError(error, path: path)
        }
    }

    /// Gives a damaged file another name, so that the next use makes a new one.
    ///
    /// - Returns: the name.
    func putAside() throws -> String {
        do {
            try opened?.close()
        } catch is DatabaseError {
            // It goes away as it is.
        }
        opened = nil
        let aside = path + ".damaged"
        for suffix in ["", "-wal", "-shm"] {
            guard rename(path + suffix, aside + suffix) != 0, errno != ENOENT else { continue }
            throw CatalogError(writing: path, because: String(cString: strerror(errno)))
        }
        return aside
    }

    public func close() throws {
        try opened?.close()
        opened = nil
    }
}

/// Runs blocking work off the cooperative threads.
private func onThread<R: Sendable>(_ work: @escaping @Sendable () throws -> R) async throws -> R {
    try await withCheckedThrowingContinuation { done in
        DispatchQueue.global().async { done.resume(with: Result(catching: work)) }
    }
}
