import Foundation
import NIOCore
import OCI
import OCIArchive
import Synchronization

/// The files of this machine, of which single calls fail as a test says.
///
/// `loseUnsynced` then does what a power failure may do.
public final class FaultyFiles: FileSystem {
    /// What a call is about to do, to what, and how many calls came before: the error number that it shall fail with.
    public typealias Fault = @Sendable (_ action: String, _ path: String, _ number: Int) -> Int32?

    private let files = LocalFileSystem()
    private let fault: Fault
    private let made = Mutex(0)
    /// Files that were written and not synced since.
    private let unsynced = Mutex<Set<String>>([])

    public init(fault: @escaping Fault = { _, _, _ in nil }) {
        self.fault = fault
    }

    /// From the call with this number on every call fails, as if the process had been killed there.
    public convenience init(deadAfter calls: Int) {
        self.init { _, _, number in number < calls ? nil : EIO }
    }

    /// Calls made so far.
    public var calls: Int { made.withLock { $0 } }

    /// Leaves every file that was written and not synced its length, and zeros in it.
    public func loseUnsynced() throws {
        for path in unsynced.withLock({ $0 }) where FileManager.default.fileExists(atPath: path) {
            let size = try FileManager.default.attributesOfItem(atPath: path)[.size] as? Int ?? 0
            try Data(repeating: 0, count: size).write(to: URL(fileURLWithPath: path))
        }
    }

    fileprivate func isWriting(_ path: String) { unsynced.withLock { _ = $0.insert(path) } }
    fileprivate func hasSynced(_ path: String) { unsynced.withLock { _ = $0.remove(path) } }

    fileprivate func pass(_ action: String, _ path: String) throws {
        let number = made.withLock { made in
            made += 1
            return made - 1
        }
        if let code = fault(action, path, number) { throw FileError(action, path, code: code) }
    }

    public func open(_ path: String, _ mode: OpenMode) async throws -> any File {
        try pass("open", path)
        return FaultyFile(file: try await files.open(path, mode), files: self)
    }

    public func status(_ path: String, followLinks: Bool) async throws -> FileStatus? {
        try pass("look at", path)
        return try await files.status(path, followLinks: followLinks)
    }

    public func list(_ path: String) async throws -> [String] {
        try pass("list", path)
        return try await files.list(path)
    }

    public func openFolder(_ path: String) async throws -> any FolderReader {
        try pass("list", path)
        return try await files.openFolder(path)
    }

    public func createFolder(_ path: String) async throws {
        try pass("create", path)
        try await files.createFolder(path)
    }

    public func rename(_ from: String, to: String) async throws {
        try pass("rename", from)
        try await files.rename(from, to: to)
        unsynced.withLock { unsynced in
            if unsynced.remove(from) != nil { unsynced.insert(to) } else { unsynced.remove(to) }
        }
    }

    public func remove(_ path: String) async throws {
        try pass("remove", path)
        try await files.remove(path)
        hasSynced(path)
    }

    public func syncFolder(_ path: String) async throws {
        try pass("sync", path)
        try await files.syncFolder(path)
    }

    public func standardInput() async throws -> any File { try await files.standardInput() }
    public func standardOutput() async throws -> any File { try await files.standardOutput() }

    public func freeSpace(_ path: String) async throws -> Int64 {
        try pass("look at", path)
        return try await files.freeSpace(path)
    }
}

private struct FaultyFile: File {
    let file: any File
    let files: FaultyFiles

    var path: String { file.path }

    func status() async throws -> FileStatus {
        try files.pass("look at", path)
        return try await file.status()
    }

    func read(at offset: Int64, count: Int) async throws -> ByteBuffer {
        try files.pass("read", path)
        return try await file.read(at: offset, count: count)
    }

    func readNext(_ count: Int) async throws -> ByteBuffer { try await file.readNext(count) }

    func readBlocking(at offset: Int64?, count: Int) throws -> ByteBuffer {
        try files.pass("read", path)
        return try file.readBlocking(at: offset, count: count)
    }

    func write(_ pieces: [ByteBuffer], at offset: Int64) async throws {
        try files.pass("write", path)
        files.isWriting(path)
        try await file.write(pieces, at: offset)
    }

    func writeNext(_ bytes: ByteBuffer) async throws {
        try files.pass("write", path)
        files.isWriting(path)
        try await file.writeNext(bytes)
    }

    func digest(
        at offset: Int64, count: Int64, by algorithm: Digest.Algorithm, observe: @escaping @Sendable (Int) -> Void
    ) async throws -> (digest: Digest, count: Int64) {
        try files.pass("read", path)
        return try await file.digest(at: offset, count: count, by: algorithm, observe: observe)
    }

    func reserve(_ range: Range<Int64>) async throws {
        try files.pass("reserve", path)
        try await file.reserve(range)
    }

    func truncate(_ size: Int64) async throws {
        try files.pass("truncate", path)
        try await file.truncate(size)
    }

    func sync() async throws {
        try files.pass("sync", path)
        try await file.sync()
        files.hasSynced(path)
    }

    func lock(shared: Bool) async throws -> Bool {
        try files.pass("lock", path)
        return try await file.lock(shared: shared)
    }

    /// A process that ends closes its files, whatever else goes wrong.
    func close() async throws { try await file.close() }
}
