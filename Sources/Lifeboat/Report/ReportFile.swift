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
    ///   `.conflict` if something else is there than what it is to replace.
    public static func prepare(
        _ path: String, replacing kind: Kind? = nil, in fileSystem: any FileSystem
    ) async throws -> ReportFile {
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
        if let kind { try await check(path, holds: kind, in: fileSystem) }
        return ReportFile(path: path, fileSystem: fileSystem)
    }

    /// What a file holds that may be replaced, by how it begins.
    public enum Kind: String, Sendable {
        case report, page, plan

        fileprivate var beginnings: [String] {
            switch self {
            case .report: ["{\n  \"began\":", "{\n  \"error\":"]
            case .page: ["<!doctype html>"]
            case .plan: ["{\n  \"bytes\":", "{\"bytes\":"]
            }
        }
    }

    /// - Throws: `LifeboatError` `.conflict` if a file is there that does not begin as one of this kind does.
    static func check(_ path: String, holds kind: Kind, in fileSystem: any FileSystem) async throws {
        guard let status = try await fileSystem.status(path, followLinks: true), status.kind == .file, status.size > 0
        else { return }
        let head = try await fileSystem.read(path, upTo: 64)
        guard !kind.beginnings.contains(where: { head.readableBytesView.starts(with: $0.utf8) }) else { return }
        throw LifeboatError(
            .conflict, "\(shown(path, limit: 1000)) is there and is no \(kind.rawValue)",
            advice: "give another name, or remove it; nothing was changed")
    }

    /// Replaces what is there in one step.
    ///
    /// - Parameter mode: who may read it, of a file of this machine; nil for what new files have.
    public func write(_ text: String, mode: UInt16? = nil) async throws {
        let partial = path + ".partial"
        if try await fileSystem.status(partial, followLinks: false) != nil { try await fileSystem.remove(partial) }
        let file = try await fileSystem.open(partial, .createNew)
        try await closing(file) {
            try await file.write(ByteBuffer(string: text), at: 0)
            if let mode, chmod(partial, mode_t(mode)) != 0 {
                throw LifeboatError(
                    .local, "cannot make \(shown(partial, limit: 1000)) readable: \(String(cString: strerror(errno)))")
            }
            try await file.sync()
        }
        try await fileSystem.rename(partial, to: path)
        try await fileSystem.syncFolder(parentFolder(of: path))
    }
}
