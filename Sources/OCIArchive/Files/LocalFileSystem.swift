import CArchive
import Glibc
import NIOCore
import NIOPosix
import OCI

/// The files of this machine. Blocking calls run on a thread pool of their own, never on the cooperative one.
public struct LocalFileSystem: FileSystem {
    private let threads: NIOThreadPool

    public init(threads: NIOThreadPool = .singleton) {
        self.threads = threads
    }

    private func run<R: Sendable>(_ body: @escaping @Sendable () throws -> R) async throws -> R {
        try await threads.runIfActive(body)
    }

    public func open(_ path: String, _ mode: OpenMode) async throws -> any File {
        let threads = threads
        return try await run {
            let flags: Int32 =
                switch mode {
                case .read: O_RDONLY
                case .readWrite: O_RDWR | O_CREAT
                case .createNew: O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW
                case .temporary: O_RDWR | unnamedFile
                }
            let target = mode == .temporary ? parentFolder(of: path) : path
            if mode == .temporary { try makeFolder(target) }
            let descriptor = try check("open", path) { Glibc.open(target, flags | O_CLOEXEC, 0o640) }
            return LocalFile(descriptor: descriptor, path: path, threads: threads)
        }
    }

    public func status(_ path: String, followLinks: Bool) async throws -> FileStatus? {
        try await run {
            var status = stat()
            let result = followLinks ? stat(path, &status) : lstat(path, &status)
            if result == 0 { return FileStatus(status) }
            let code = errno
            if code == ENOENT || code == ENOTDIR { return nil }
            throw FileError("look at", path, code: code)
        }
    }

    public func list(_ path: String) async throws -> [String] {
        try await run {
            guard let folder = opendir(path) else { throw FileError("list", path, code: errno) }
            defer { closedir(folder) }
            var names: [String] = []
            errno = 0
            while let entry = readdir(folder) {
                let name = withUnsafeBytes(of: entry.pointee.d_name) {
                    String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
                }
                if name != ".", name != ".." { names.append(name) }
                errno = 0
            }
            if errno != 0 { throw FileError("list", path, code: errno) }
            return names.sorted()
        }
    }

    public func openFolder(_ path: String) async throws -> any FolderReader {
        let threads = threads
        return try await run { try LocalFolder(path: path, threads: threads) }
    }

    public func createFolder(_ path: String) async throws {
        try await run { try makeFolder(path) }
    }

    public func rename(_ from: String, to: String) async throws {
        try await run { _ = try check("rename \(shown(from, limit: 1000)) to", to) { Glibc.rename(from, to) } }
    }

    public func remove(_ path: String) async throws {
        try await run { _ = try check("remove", path) { Glibc.remove(path) } }
    }

    public func syncFolder(_ path: String) async throws {
        try await run {
            let descriptor = try check("open", path) { Glibc.open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) }
            defer { Glibc.close(descriptor) }
            _ = try check("sync", path) { fsync(descriptor) }
        }
    }

    public func standardInput() async throws -> any File { try await duplicate(STDIN_FILENO, "standard input") }

    public func standardOutput() async throws -> any File { try await duplicate(STDOUT_FILENO, "standard output") }

    private func duplicate(_ stream: Int32, _ name: String) async throws -> any File {
        let threads = threads
        return try await run {
            let descriptor = try check("open", name) { fcntl(stream, F_DUPFD_CLOEXEC, 3) }
            return LocalFile(descriptor: descriptor, path: name, threads: threads)
        }
    }

    public func freeSpace(_ path: String) async throws -> Int64 {
        try await run {
            var status = statvfs()
            _ = try check("look at the file system of", path) { statvfs(path, &status) }
            return Int64(clamping: UInt64(status.f_bavail) * UInt64(status.f_frsize))
        }
    }
}

private func makeFolder(_ path: String) throws {
    if mkdir(path, 0o750) == 0 { return }
    switch errno {
    case EEXIST:
        var status = stat()
        if stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFDIR { return }
        throw FileError("create the folder", path, code: ENOTDIR)
    case ENOENT where parentFolder(of: path) != path:
        try makeFolder(parentFolder(of: path))
        _ = try check("create the folder", path) { mkdir(path, 0o750) == 0 || errno == EEXIST ? 0 : -1 }
    case let code: throw FileError("create the folder", path, code: code)
    }
}

/// Repeats a system call that a signal interrupted; -1 becomes a `FileError`.
func check<R: BinaryInteger>(_ action: @autoclosure () -> String, _ path: String, _ call: () -> R) throws -> R {
    while true {
        let result = call()
        if result >= 0 { return result }
        if errno != EINTR { throw FileError(action(), path, code: errno) }
    }
}

extension FileStatus {
    init(_ status: stat) {
        let kind: Kind =
            switch status.st_mode & S_IFMT {
            case S_IFREG: .file
            case S_IFDIR: .folder
            case S_IFLNK: .link
            case S_IFIFO, S_IFSOCK: .pipe
            case S_IFCHR, S_IFBLK: .device
            default: .other
            }
        self.init(
            kind: kind, size: Int64(status.st_size), inode: UInt64(status.st_ino), device: UInt64(status.st_dev),
            modified: FileStatus.nanoseconds(status.st_mtim), changed: FileStatus.nanoseconds(status.st_ctim),
            permissions: UInt16(status.st_mode & 0o777))
    }

    private static func nanoseconds(_ time: timespec) -> Int64 {
        Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
    }
}

/// O_TMPFILE (open(2)), a macro that Swift does not import.
private let unnamedFile: Int32 = 0o20000000 | O_DIRECTORY
