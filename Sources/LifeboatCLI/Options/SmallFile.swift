import Glibc
import Lifeboat
import NIOCore
import OCI
import OCIArchive

/// Files of a few lines, read and written whole.
enum SmallFile {
    /// - Throws: `LifeboatError` `.policy` for one that is larger than `limit`; `FileError`.
    static func read(_ path: String, upTo limit: Int, in files: any FileSystem) async throws -> String {
        let bytes = try await files.read(path, upTo: limit + 1)
        guard bytes.readableBytes <= limit else {
            throw LifeboatError(.policy, "\(shown(path, limit: 1000)) is larger than \(limit) bytes, the limit")
        }
        return String(buffer: bytes)
    }

    /// Writes a file that nobody but its owner may read, whatever the umask, and replaces what is there in one step.
    static func writeSecret(_ text: String, to path: String) throws {
        try write(text, to: path, mode: 0o600)
    }

    static func write(_ text: String, to path: String, mode: mode_t = 0o644) throws {
        let partial = path + ".partial"
        unlink(partial)
        let descriptor = open(partial, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode)
        guard descriptor >= 0 else { throw FileError("create", partial, code: errno) }
        defer { close(descriptor) }
        var bytes = Array(text.utf8)[...]
        while !bytes.isEmpty {
            let written = bytes.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            guard written >= 0 else { throw FileError("write", partial, code: errno) }
            bytes = bytes.dropFirst(written)
        }
        guard fsync(descriptor) == 0 else { throw FileError("sync", partial, code: errno) }
        guard rename(partial, path) == 0 else {
            throw FileError("rename \(shown(partial, limit: 1000)) to", path, code: errno)
        }
    }
}
