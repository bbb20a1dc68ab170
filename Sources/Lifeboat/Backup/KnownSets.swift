import OCI
import OCIArchive

/// Remembers where backup sets are, so that the place where a disk should be mounted is not taken for a new folder.
///
/// One small file a set, `sets/<16 hex digits>` in the user's state folder, with the set's path in it.
public struct KnownSets: Sendable {
    private let folder: String
    private let files: any FileSystem

    public init(_ environment: RunEnvironment) {
        folder = environment.workFolder + "/sets"
        files = environment.fileSystem
    }

    /// - Throws: `FileError`; who cannot write there is warned less, and has his backup all the same.
    public func remember(_ path: String) async throws {
        let file = file(of: path)
        guard try await files.status(file, followLinks: false) == nil else { return }
        try await files.createFolder(folder)
        try await ReportFile.prepare(file, in: files).write(KnownSets.name(of: path) + "\n")
    }

    /// - Throws: `LifeboatError` `.local` if a store that would be made anew has the place of a set.
    func check(_ store: StoreDefinition) async throws {
        let (path, mark): (String, String)
        switch store {
        case .registry, .archive("-"): return
        case .archive(let file): (path, mark) = (file, "")
        case .layout(let folder): (path, mark) = (folder, "/oci-layout")
        case .backups(let folder, _): (path, mark) = (folder, "/" + BackupSet.recordsFolder)
        }
        guard try await files.status(path + mark, followLinks: true) == nil,
            try await files.status(file(of: path), followLinks: false) != nil
        else { return }
        throw LifeboatError(
            .local, "\(shown(path, limit: 1000)) was a backup set, and is not there now",
            advice: "mount its disk; if it is gone for good, lifeboat backups init \(shown(path, limit: 1000)) makes a "
                + "new one")
    }

    private func file(of path: String) -> String {
        folder + "/" + Digest(of: Array(KnownSets.name(of: path).utf8)).hex.prefix(16)
    }

    /// By names alone: what a link leads to may be what is missing.
    private static func name(of path: String) -> String {
        var parts: [Substring] = []
        for part in absolutePath(path).split(separator: "/") {
            if part == ".." { _ = parts.popLast() } else { parts.append(part) }
        }
        return "/" + parts.joined(separator: "/")
    }
}
