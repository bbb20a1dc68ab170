import Glibc
import OCI

/// The operating system refused something that we asked of a file.
public struct FileError: Failure {
    /// What we were doing, as in "open" or "write 65536 bytes at 512 to".
    public let action: String
    public let path: String
    /// The error number (errno.h).
    public let code: Int32

    public init(_ action: String, _ path: String, code: Int32) {
        self.action = action
        self.path = path
        self.code = code
    }

    public var kind: FailureKind { .local }

    public var description: String {
        "cannot \(action) \(shown(path, limit: 1000)): \(String(cString: strerror(code)))"
    }

    public var advice: String? {
        switch code {
        case ENOSPC, EDQUOT: "free space on that file system, or write somewhere else; run it again and it goes on"
        case EACCES, EPERM: "check owner and permissions of the file and of the folders above it"
        case EROFS: "the file system is mounted read-only"
        case EMFILE, ENFILE: "raise the limit of open files (ulimit -n), or lower --concurrency"
        case EISDIR: "give a file, not a folder"
        case ENOENT: "check the path"
        default: nil
        }
    }

    public var isExists: Bool { code == EEXIST }
    public var isNotEmpty: Bool { code == ENOTEMPTY || code == EEXIST }
    public var isNotFound: Bool { code == ENOENT || code == ENOTDIR }
}
