import Foundation
import NIOCore
import OCIArchive
import Synchronization

/// The files of this machine until a number of calls has been made; from then on nothing works any more, as for a
/// process that was killed.
///
/// `loseUnsynced` then does what a power failure may do: a file that was written and not synced has its length, and
/// zeros in it.
final class DyingFiles: FileSystem {
    private struct State {
        var calls = 0
        var unsynced: Set<String> = []
    }

    private let limit: Int
    private let state = Mutex(State())
    private let files = LocalFileSystem()

    init(after limit: Int = .max) {
        self.limit = limit
    }

    var calls: Int { state.withLock { $0.calls } }

    func loseUnsynced() throws {
        for path in state.withLock({ $0.unsynced }) where FileManager.default.fileExists(atPath: path) {
            let size = try FileManager.default.attributesOfItem(atPath: path)[.size] as? Int ?? 0
            try Data(repeating: 0, count: size).write(to: URL(fileURLWithPath: path))
        }
    }

    private func step(_ action: String, _ path: String) throws {
        let isAlive = state.withLock { state in
            state.calls += 1
            return state.calls <= limit
        }
        if !isAlive { throw FileError(action, path, code: EIO) }
    }

    func open(_ path: String, _ mode: OpenMode) async throws -> any File {
        try step("open", path)
        return DyingFile(file: try await files.open(path, mode), files: self)
    }

    func status(_ path: String, followLinks: Bool) async throws -> FileStatus? {
        try step("look at", path)
        return try await files.status(path, followLinks: followLinks)
    }

    func list(_ path: String) async throws -> [String] {
        try step("list", path)
        return try await files.list(path)
    }

    func createFolder(_ path: String) async throws {
        try step("create", path)
        try await files.createFolder(path)
    }

    func rename(_ from: String, to: String) async throws {
        try step("rename", from)
        try await files.rename(from, to: to)
        state.withLock { state in
            if state.unsynced.remove(from) != nil { state.unsynced.insert(to) } else { state.unsynced.remove(to) }
        }
    }

    func remove(_ path: String) async throws {
        try step("remove", path)
        try await files.remove(path)
        state.withLock { _ = $0.unsynced.remove(path) }
    }

    func syncFolder(_ path: String) async throws {
        try step("sync", path)
        try await files.syncFolder(path)
    }

    func standardInput() async throws -> any File { try await files.standardInput() }
    func standardOutput() async throws -> any File { try await files.standardOutput() }
    func freeSpace(_ path: String) async throws -> Int64 { try await files.freeSpace(path) }

    private final class DyingFile: File {
        let file: any File
        let files: DyingFiles

        init(file: any File, files: DyingFiles) {
            self.file = file
            self.files = files
        }

        var path: String { file.path }

        func status() async throws -> FileStatus {
            try files.step("look at", path)
            return try await file.status()
        }

        func read(at offset: Int64, count: Int) async throws -> ByteBuffer {
            try files.step("read", path)
            return try await file.read(at: offset, count: count)
        }

        func readNext(_ count: Int) async throws -> ByteBuffer { try await file.readNext(count) }

        func readBlocking(at offset: Int64?, count: Int) throws -> ByteBuffer {
            try file.readBlocking(at: offset, count: count)
        }

        func write(_ bytes: ByteBuffer, at offset: Int64) async throws {
            try files.step("write", path)
            files.state.withLock { _ = $0.unsynced.insert(path) }
            try await file.write(bytes, at: offset)
        }

        func writeNext(_ bytes: ByteBuffer) async throws { try await file.writeNext(bytes) }

        func reserve(_ range: Range<Int64>) async throws {
            try files.step("reserve", path)
            try await file.reserve(range)
        }

        func truncate(_ size: Int64) async throws {
            try files.step("truncate", path)
            try await file.truncate(size)
        }

        func sync() async throws {
            try files.step("sync", path)
            try await file.sync()
            files.state.withLock { _ = $0.unsynced.remove(path) }
        }

        func lock(shared: Bool) async throws -> Bool {
            try files.step("lock", path)
            return try await file.lock(shared: shared)
        }

        /// A killed process has no files open either.
        func close() async throws { try await file.close() }
    }
}
