import Glibc
import NIOCore
import OCIArchive
import Synchronization

/// The files of this machine, until a number of calls that change something have been made: then every call fails, as if
/// the process had been killed there. The power stays on: nothing is synced.
final class CutFiles: FileSystem {
    private let files = LocalFileSystem()
    private let left: Mutex<Int>

    init(after calls: Int) {
        left = Mutex(calls)
    }

    /// Calls that could still be made.
    var callsLeft: Int { left.withLock { $0 } }

    /// - Parameter changes: whether the call changes something: between two of them it is the same where one is cut.
    func pass(_ action: String, _ path: String, changes: Bool = true) throws {
        let isCut = left.withLock { left in
            if changes { left -= 1 }
            return left < 0
        }
        if isCut { throw FileError(action, path, code: EIO) }
    }

    func open(_ path: String, _ mode: OpenMode) async throws -> any File {
        try pass("open", path, changes: mode != .read)
        return CutFile(file: try await files.open(path, mode), files: self)
    }

    func status(_ path: String, followLinks: Bool) async throws -> FileStatus? {
        try pass("look at", path, changes: false)
        return try await files.status(path, followLinks: followLinks)
    }

    func list(_ path: String) async throws -> [String] {
        try pass("list", path, changes: false)
        return try await files.list(path)
    }

    func openFolder(_ path: String) async throws -> any FolderReader {
        try pass("list", path, changes: false)
        return try await files.openFolder(path)
    }

    func createFolder(_ path: String) async throws {
        try pass("create", path)
        try await files.createFolder(path)
    }

    func rename(_ from: String, to: String) async throws {
        try pass("rename", from)
        try await files.rename(from, to: to)
    }

    func remove(_ path: String) async throws {
        try pass("remove", path)
        try await files.remove(path)
    }

    func syncFolder(_ path: String) async throws {
        try pass("sync", path)
    }

    func standardInput() async throws -> any File { try await files.standardInput() }
    func standardOutput() async throws -> any File { try await files.standardOutput() }
    func freeSpace(_ path: String) async throws -> Int64 { try await files.freeSpace(path) }
}

private struct CutFile: File {
    let file: any File
    let files: CutFiles

    var path: String { file.path }

    func status() async throws -> FileStatus {
        try files.pass("look at", path, changes: false)
        return try await file.status()
    }

    func read(at offset: Int64, count: Int) async throws -> ByteBuffer {
        try files.pass("read", path, changes: false)
        return try await file.read(at: offset, count: count)
    }

    func readNext(_ count: Int) async throws -> ByteBuffer { try await file.readNext(count) }

    func readBlocking(at offset: Int64?, count: Int) throws -> ByteBuffer {
        try files.pass("read", path, changes: false)
        return try file.readBlocking(at: offset, count: count)
    }

    func write(_ bytes: ByteBuffer, at offset: Int64) async throws {
        try files.pass("write", path)
        try await file.write(bytes, at: offset)
    }

    func writeNext(_ bytes: ByteBuffer) async throws {
        try files.pass("write", path)
        try await file.writeNext(bytes)
    }

    func reserve(_ size: Int64) async throws {
        try files.pass("reserve", path)
        try await file.reserve(size)
    }

    func truncate(_ size: Int64) async throws {
        try files.pass("truncate", path)
        try await file.truncate(size)
    }

    func sync() async throws {
        try files.pass("sync", path)
    }

    func lock(shared: Bool) async throws -> Bool {
        try files.pass("lock", path, changes: false)
        return try await file.lock(shared: shared)
    }

    /// A process that ends closes its files.
    func close() async throws { try await file.close() }
}
