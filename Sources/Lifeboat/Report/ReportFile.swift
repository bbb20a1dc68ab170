import Glibc
import NIOCore
import OCI
import OCIArchive

/// A file that a run leaves for its readers: whole under its name, or not there.
public struct ReportFile: Sendable {
    public let path: String
    private let fileSystem: any FileSystem

    /// Fails before the run where the file could not be written after it.
    ///
    /// - Throws: `LifeboatError` `.usage` if the folder is not there, `FileError`.
    public static func prepare(_ path: String, in fileSystem: any FileSystem) async throws -> ReportFile {
        let folder = parentFolder(of: path)
        guard try await fileSystem.status(folder, followLinks: true)?.kind == .folder else {
            throw LifeboatError(
                .usage,
                "\(shown(path, limit: 1000)) cannot be written: there is no folder \(shown(folder, limit: 1000))"
            )
        }
        if try await fileSystem.status(path, followLinks: true)?.kind == .folder {
            throw LifeboatError(.usage, "\(shown(path, limit: 1000)) is a folder, want a file")
        }
        return ReportFile(path: path, fileSystem: fileSystem)
    }

    /// Replaces what is there in one step.
    ///
    /// - Parameter mode: who may read it, of a file of this machine; nil for what new files have.
    public func write(_ text: String, mode: UInt16? = nil) async throws {
        let partial = path + ".partial"
        if try await fileSystem.status(partial, followLinks: false) != nil { try await fileSystem.remove(partial) }
        let file = try await fileSystem.open(partial, .createNew)
        do {
            try await file.write(ByteBuffer(string: text), at: 0)
            if let mode, chmod(partial, mode_t(mode)) != 0 {
                throw LifeboatError(
                    .local, "cannot make \(shown(partial, limit: 1000)) readable: \(String(cString: strerror(errno)))")
            }
            try await file.sync()
        } catch {
            try await file.close()
            throw error
        }
        try await file.close()
        try await fileSystem.rename(partial, to: path)
        try await fileSystem.syncFolder(parentFolder(of: path))
    }
}
