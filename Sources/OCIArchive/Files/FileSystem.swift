import NIOCore
import OCI

/// The file system as the stores use it: tests inject faults here.
///
/// Paths are as the user wrote them, relative ones relative to the working directory. Every error is a `FileError`.
public protocol FileSystem: Sendable {
    func open(_ path: String, _ mode: OpenMode) async throws -> any File
    /// What is there, not following a last symbolic link; nil if nothing is.
    func status(_ path: String, followLinks: Bool) async throws -> FileStatus?
    /// Names in a folder, sorted, without `.` and `..`.
    func list(_ path: String) async throws -> [String]
    /// The same, piece by piece and in no order, for folders of any size.
    func openFolder(_ path: String) async throws -> any FolderReader
    /// Creates the folder and those above it; one that exists is no error.
    func createFolder(_ path: String) async throws
    /// Atomically gives `from` the name `to`, replacing what is there.
    func rename(_ from: String, to: String) async throws
    func remove(_ path: String) async throws
    /// Makes the names in a folder durable.
    func syncFolder(_ path: String) async throws
    /// The standard streams of this process.
    func standardInput() async throws -> any File
    func standardOutput() async throws -> any File
    /// Bytes that can still be written to the file system of `path`.
    func freeSpace(_ path: String) async throws -> Int64
}

public enum OpenMode: Sendable, Hashable {
    case read
    /// Read and write, created if absent (mode 0640), not truncated.
    case readWrite
    /// Read and write; fails with `.exists` if something is there; symbolic links are not followed.
    case createNew
    /// A file without a name beside `path`, gone when closed; the folder is made if it does not exist.
    case temporary
}

/// An open file. Methods may be called concurrently; every call does all of its bytes or throws.
public protocol File: Sendable {
    var path: String { get }
    func status() async throws -> FileStatus
    /// Up to `count` bytes from `offset` on; fewer only at the end of the file, none behind it.
    func read(at offset: Int64, count: Int) async throws -> ByteBuffer
    /// The next bytes of a pipe or terminal, up to `count`; none at its end.
    func readNext(_ count: Int) async throws -> ByteBuffer
    /// `read` or, without an offset, `readNext`, for a thread that may block, such as one that runs a decoder.
    func readBlocking(at offset: Int64?, count: Int) throws -> ByteBuffer
    /// Writes pieces one behind the other; at most 1,024.
    func write(_ pieces: [ByteBuffer], at offset: Int64) async throws
    /// Appends to a pipe or terminal.
    func writeNext(_ bytes: ByteBuffer) async throws
    /// The digest of `count` bytes from `offset` on, and how many there were: fewer only at the end of the file.
    ///
    /// - Parameter observe: is told of bytes as they are read.
    func digest(
        at offset: Int64, count: Int64, by algorithm: Digest.Algorithm, observe: @escaping @Sendable (Int) -> Void
    ) async throws -> (digest: Digest, count: Int64)
    /// Reserves space for a part of the file, which gets at least as long as its end. Does nothing where the file system
    /// cannot.
    func reserve(_ range: Range<Int64>) async throws
    func truncate(_ size: Int64) async throws
    func sync() async throws
    /// Takes a lock that ends with this file; false if another process holds one that is in its way.
    ///
    /// - Parameter shared: whether others may share it, so that only an exclusive one is in the way.
    func lock(shared: Bool) async throws -> Bool
    func close() async throws
}

extension File {
    /// Takes a lock that nobody shares.
    func lock() async throws -> Bool { try await lock(shared: false) }

    public func write(_ bytes: ByteBuffer, at offset: Int64) async throws { try await write([bytes], at: offset) }
}

public struct FileStatus: Sendable, Hashable {
    public enum Kind: Sendable, Hashable { case file, folder, link, pipe, device, other }
    public var kind: Kind
    public var size: Int64
    public var inode: UInt64
    public var device: UInt64
    /// Nanoseconds since 1970.
    public var modified: Int64
    /// When the bytes or what is known of the file last changed, which nobody can put back: nanoseconds since 1970.
    public var changed: Int64
    /// Who may read, write and run it: the lowest nine bits of the mode.
    public var permissions: UInt16

    public init(
        kind: Kind, size: Int64, inode: UInt64, device: UInt64, modified: Int64, changed: Int64? = nil,
        permissions: UInt16 = 0o640
    ) {
        self.kind = kind
        self.size = size
        self.inode = inode
        self.device = device
        self.modified = modified
        self.changed = changed ?? modified
        self.permissions = permissions
    }

    /// Changes whenever the bytes may have changed.
    public var stamp: String { "\(device)-\(inode)-\(size)-\(modified)-\(changed)" }
}
