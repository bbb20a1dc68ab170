import NIOCore
import OCI

/// A file that is being written in the layout's work folder, and gets its name only when complete.
struct LayoutPartial: Sendable {
    let file: any File
    private let path: String
    private let folder: LayoutFolder

    /// Names that are tried, since a process that tidies up may take one before it is locked.
    private static let tries = 8

    /// Starts a file that no other process touches: it is locked as long as it is open.
    static func create(_ role: String, in folder: LayoutFolder) async throws -> LayoutPartial {
        for _ in 1...tries {
            let path = "\(folder.workPath)/\(role)-\(folder.surroundings.id())"
            if let file = try await folder.openWorkFile(path, .createNew) {
                return LayoutPartial(file: file, path: path, folder: folder)
            }
        }
        throw ArchiveError(.locked, "another process takes every new file in \(shown(folder.workPath, limit: 1000))")
    }

    /// Makes the bytes durable and gives them their name; the folder's own sync is the caller's.
    func commit(as name: String) async throws {
        do {
            try await file.sync()
            try await folder.files.rename(path, to: name)
        } catch {
            await discard()
            throw error
        }
        try await file.close()
    }

    func sync() async throws { try await file.sync() }

    /// Gives synced bytes their name.
    func name(as name: String) async throws {
        try await folder.files.rename(path, to: name)
        try await file.close()
    }

    func discard() async {
        await afterFailure { try await file.close() }
        await afterFailure { try await folder.files.remove(path) }
    }
}
