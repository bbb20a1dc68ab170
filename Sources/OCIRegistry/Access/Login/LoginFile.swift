import Glibc
import OCI

/// A file with logins, read and replaced as a whole.
enum LoginFile {
    /// - Returns: nil if there is no such file.
    /// - Throws: `RegistryError` `.auth` that names the file, and nothing of what it holds.
    static func read(_ path: String, upTo limit: Int) throws(RegistryError) -> [UInt8]? {
        guard let file = fopen(path, "rbe") else {
            if errno == ENOENT || errno == ENOTDIR { return nil }
            throw unreadable(path, String(cString: strerror(errno)))
        }
        defer { fclose(file) }
        var bytes = [UInt8](repeating: 0, count: limit + 1)
        let count = bytes.withUnsafeMutableBytes { fread($0.baseAddress, 1, $0.count, file) }
        guard ferror(file) == 0 else { throw unreadable(path, String(cString: strerror(errno))) }
        guard count <= limit else { throw unreadable(path, "it is larger than \(limit) bytes") }
        return Array(bytes.prefix(count))
    }

    /// Puts the bytes in place of the file's, all or none of them, readable by its owner only.
    ///
    /// Follows symbolic links, and makes the folder if there is none.
    static func replace(_ path: String, with bytes: [UInt8]) throws(RegistryError) {
        let target = resolved(path)
        let folder = target.lastIndex(of: "/").map { $0 == target.startIndex ? "/" : String(target[..<$0]) } ?? "."
        try makeFolder(folder)
        let new = target + ".lifeboat-\(getpid())"
        unlink(new)
        let file = open(new, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o600)
        guard file >= 0 else { throw unwritable(target) }
        var isDone = false
        defer { if !isDone { unlink(new) } }
        do {
            defer { close(file) }
            var rest = bytes[...]
            while !rest.isEmpty {
                let count = rest.withUnsafeBytes { write(file, $0.baseAddress, $0.count) }
                if count < 0, errno == EINTR { continue }
                guard count > 0 else { throw unwritable(target) }
                rest = rest.dropFirst(count)
            }
            guard fsync(file) == 0 else { throw unwritable(target) }
        }
        guard rename(new, target) == 0 else { throw unwritable(target) }
        isDone = true
        let directory = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard directory >= 0 else { throw unwritable(target) }
        defer { close(directory) }
        guard fsync(directory) == 0 else { throw unwritable(target) }
    }

    private static func resolved(_ path: String) -> String {
        guard let real = realpath(path, nil) else { return path }
        defer { free(real) }
        return String(cString: real)
    }

    /// Makes a folder and those above it, for nobody but its owner; one that exists is no error.
    static func makeFolder(_ path: String) throws(RegistryError) {
        var status = stat()
        if stat(path, &status) == 0 { return }
        if let slash = path.lastIndex(of: "/"), slash > path.startIndex { try makeFolder(String(path[..<slash])) }
        guard mkdir(path, 0o700) == 0 || errno == EEXIST else { throw unwritable(path) }
    }

    private static func unreadable(_ path: String, _ reason: String) -> RegistryError {
        RegistryError(.auth, "\(shown(path)) cannot be read: \(reason)")
    }

    static func unwritable(_ path: String) -> RegistryError {
        RegistryError(.local, "\(shown(path)) cannot be written: \(String(cString: strerror(errno)))")
    }
}
