import Glibc
import NIOPosix
import Synchronization

/// Gives the names in a folder piece by piece, so that a folder of a million files costs no memory.
///
/// What is added or removed meanwhile may be among them or not.
public protocol FolderReader: Sendable {
    /// The next names, in no order, without `.` and `..`; none at the end.
    func next() async throws -> [String]
}

extension FileSystem {
    /// All names at once, for file systems that have nothing better.
    public func openFolder(_ path: String) async throws -> any FolderReader {
        WholeFolder(names: try await list(path))
    }
}

private final class WholeFolder: FolderReader {
    private let names: Mutex<[String]>

    init(names: [String]) {
        self.names = Mutex(names)
    }

    func next() async throws -> [String] {
        names.withLock { names in
            defer { names = [] }
            return names
        }
    }
}

/// A folder of this machine, open as long as it is referred to.
final class LocalFolder: FolderReader {
    /// Names in a piece.
    private static let batch = 4096

    private let path: String
    private let threads: NIOThreadPool
    /// The `DIR *`, which is not `Sendable`, as a number.
    private let stream: Mutex<UInt>

    /// - Throws: `FileError`.
    init(path: String, threads: NIOThreadPool) throws {
        guard let opened = opendir(path) else { throw FileError("list", path, code: errno) }
        self.path = path
        self.threads = threads
        stream = Mutex(UInt(bitPattern: opened))
    }

    deinit {
        if let opened = OpaquePointer(bitPattern: stream.withLock { $0 }) { closedir(opened) }
    }

    func next() async throws -> [String] {
        try await threads.runIfActive { [self] in
            try stream.withLock { number in
                guard let opened = OpaquePointer(bitPattern: number) else { return [] }
                var names: [String] = []
                while names.count < LocalFolder.batch {
                    errno = 0
                    guard let entry = readdir(opened) else {
                        if errno != 0 { throw FileError("list", path, code: errno) }
                        break
                    }
                    let name = withUnsafeBytes(of: entry.pointee.d_name) {
                        String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
                    }
                    if name != ".", name != ".." { names.append(name) }
                }
                return names
            }
        }
    }
}
