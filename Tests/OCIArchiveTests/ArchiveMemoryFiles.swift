import Glibc
import NIOCore
import OCIArchive
import Synchronization

/// A file system in memory, in which anything can fail.
final class MemoryFiles: FileSystem {
    /// What an operation is about to do: its name and path; the error number that it shall fail with.
    typealias Fault = @Sendable (_ operation: String, _ path: String) -> Int32?

    private let state = Mutex(State())
    private let fault: Fault
    private let space: Int64

    private struct State {
        var nodes: [String: Node] = [:]
        var nextInode: UInt64 = 1
        var operations: [String] = []

        mutating func node(_ path: String) -> Node {
            if let known = nodes[path] { return known }
            let node = Node(inode: nextInode)
            nextInode += 1
            nodes[path] = node
            return node
        }
    }

    final class Node: Sendable {
        let inode: UInt64
        let bytes = Mutex<[UInt8]>([])
        let locked = Mutex(false)

        init(inode: UInt64) { self.inode = inode }

        var status: FileStatus {
            FileStatus(kind: .file, size: Int64(bytes.withLock { $0.count }), inode: inode, device: 1, modified: 0)
        }
    }

    init(space: Int64 = 1 << 40, fault: @escaping Fault = { _, _ in nil }) {
        self.space = space
        self.fault = fault
    }

    /// Renames and syncs in their order, for what must come before what.
    var operations: [String] { state.withLock { $0.operations } }

    var names: [String] { state.withLock { $0.nodes.keys.sorted() } }

    subscript(path: String) -> [UInt8]? {
        get { state.withLock { $0.nodes[path] }?.bytes.withLock { $0 } }
        set {
            let node = state.withLock { state -> Node? in
                guard newValue != nil else {
                    state.nodes[path] = nil
                    return nil
                }
                return state.node(path)
            }
            if let newValue { node?.bytes.withLock { $0 = newValue } }
        }
    }

    func node(_ path: String) -> Node { state.withLock { $0.node(path) } }

    func note(_ operation: String, _ path: String) throws {
        if let code = fault(operation, path) { throw FileError(operation, path, code: code) }
        if operation != "read" { state.withLock { $0.operations.append("\(operation) \(path)") } }
    }

    func open(_ path: String, _ mode: OpenMode) async throws -> any File {
        try note("open", path)
        if mode == .temporary {
            return MemoryFile(path: path, node: Node(inode: 0), files: self)
        }
        let node: Node? = state.withLock { state in
            let known = state.nodes[path]
            switch mode {
            case .read: return known
            case .createNew: return known == nil ? state.node(path) : nil
            default: return known ?? state.node(path)
            }
        }
        guard let node else { throw FileError("open", path, code: mode == .read ? ENOENT : EEXIST) }
        return MemoryFile(path: path, node: node, files: self)
    }

    func status(_ path: String, followLinks: Bool) async throws -> FileStatus? {
        if path == "." { return FileStatus(kind: .folder, size: 0, inode: 0, device: 1, modified: 0) }
        return state.withLock { $0.nodes[path] }?.status
    }

    func list(_ path: String) async throws -> [String] { names }
    func createFolder(_ path: String) async throws {}

    func rename(_ from: String, to: String) async throws {
        try note("rename", to)
        state.withLock { $0.nodes[to] = $0.nodes.removeValue(forKey: from) }
    }

    func remove(_ path: String) async throws { state.withLock { $0.nodes[path] = nil } }
    func syncFolder(_ path: String) async throws { try note("sync folder", path) }
    func standardInput() async throws -> any File { MemoryPipe("standard input", self) }
    func standardOutput() async throws -> any File { MemoryPipe("standard output", self) }
    func freeSpace(_ path: String) async throws -> Int64 { space }
}

/// The bytes of a `MemoryFile`, in order only.
final class MemoryPipe: File {
    private let file: MemoryFile
    private let position = Mutex<Int64>(0)

    init(_ path: String, _ files: MemoryFiles) {
        file = MemoryFile(path: path, node: files.node(path), files: files)
    }

    var path: String { file.path }

    func status() async throws -> FileStatus { FileStatus(kind: .pipe, size: 0, inode: 0, device: 0, modified: 0) }

    func readBlocking(at offset: Int64?, count: Int) throws -> ByteBuffer {
        guard offset == nil else { throw FileError("read", path, code: ESPIPE) }
        // A pipe gives what it has, not what was asked for.
        let bytes = try file.readBlocking(at: position.withLock { $0 }, count: min(count, 60_001))
        position.withLock { $0 += Int64(bytes.readableBytes) }
        return bytes
    }

    func readNext(_ count: Int) async throws -> ByteBuffer { try readBlocking(at: nil, count: count) }
    func writeNext(_ bytes: ByteBuffer) async throws { try await file.writeNext(bytes) }
    func read(at offset: Int64, count: Int) async throws -> ByteBuffer { throw FileError("read", path, code: ESPIPE) }
    func write(_ pieces: [ByteBuffer], at offset: Int64) async throws { throw FileError("write", path, code: ESPIPE) }
    func reserve(_ range: Range<Int64>) async throws { throw FileError("reserve", path, code: ESPIPE) }
    func truncate(_ size: Int64) async throws { throw FileError("truncate", path, code: ESPIPE) }
    func sync() async throws { throw FileError("sync", path, code: EINVAL) }
    func lock(shared: Bool) async throws -> Bool { true }
    func close() async throws {}
}

struct MemoryFile: File {
    let path: String
    let node: MemoryFiles.Node
    let files: MemoryFiles

    func status() async throws -> FileStatus { node.status }

    func read(at offset: Int64, count: Int) async throws -> ByteBuffer { try readBlocking(at: offset, count: count) }

    func readNext(_ count: Int) async throws -> ByteBuffer { throw FileError("read", path, code: ESPIPE) }

    func readBlocking(at offset: Int64?, count: Int) throws -> ByteBuffer {
        try files.note("read", path)
        let start = Int(offset ?? 0)
        return node.bytes.withLock { bytes in
            start < bytes.count ? ByteBuffer(bytes: bytes[start..<min(bytes.count, start + count)]) : ByteBuffer()
        }
    }

    func write(_ pieces: [ByteBuffer], at offset: Int64) async throws {
        try files.note("write", path)
        let bytes = pieces.flatMap { $0.readableBytesView }
        node.bytes.withLock { stored in
            let end = Int(offset) + bytes.count
            if stored.count < end { stored += [UInt8](repeating: 0, count: end - stored.count) }
            stored.replaceSubrange(Int(offset)..<end, with: bytes)
        }
    }

    func writeNext(_ bytes: ByteBuffer) async throws {
        let end = node.bytes.withLock { $0.count }
        try await write(bytes, at: Int64(end))
    }

    func reserve(_ range: Range<Int64>) async throws {
        try files.note("reserve", path)
        let size = node.bytes.withLock { Int64($0.count) }
        if size < range.upperBound { try await truncate(range.upperBound) }
    }

    func truncate(_ size: Int64) async throws {
        node.bytes.withLock { bytes in
            bytes = Array(bytes.prefix(Int(size))) + [UInt8](repeating: 0, count: max(0, Int(size) - bytes.count))
        }
    }

    func sync() async throws { try files.note("sync", path) }

    func lock(shared: Bool) async throws -> Bool {
        node.locked.withLock { isLocked in
            if shared { return !isLocked }
            defer { isLocked = true }
            return !isLocked
        }
    }

    func close() async throws { node.locked.withLock { $0 = false } }
}
