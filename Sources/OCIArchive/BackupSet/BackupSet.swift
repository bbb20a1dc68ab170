import NIOCore
import OCI

/// A folder of backups that share their blobs: `blobs/`, one sealed record a backup in `records/`, and an OCI layout's
/// `index.json` of the newest one, so that other tools read that without Lifeboat.
///
/// A backup exists exactly when its record is sealed. Anybody may read the folder at any time: blobs get their names
/// when complete, records when sealed.
public struct BackupSet: Sendable {
    public let path: String
    let folder: LayoutFolder

    /// The folder of records, which tells a set from other layouts.
    public static let recordsFolder = "records"
    private static let evidenceFolder = "evidence"
    /// The most records of one set.
    public static let recordLimit = 100_000

    private init(_ folder: LayoutFolder) {
        self.folder = folder
        path = folder.path
    }

    public var name: String { shown(path, limit: 1000) }
    var files: any FileSystem { folder.files }
    var surroundings: Surroundings { folder.surroundings }

    var recordsPath: String { path + "/" + BackupSet.recordsFolder }
    /// Write-once files that say what no record can.
    public var evidencePath: String { path + "/" + BackupSet.evidenceFolder }
    /// Blobs that no backup needs any more, as `trash/<time>/<algorithm>/<hex>`, for a time of grace.
    public var trashPath: String { path + "/trash" }
}

extension BackupSet {
    /// Whether a folder is a set: it has records, be they none, or has had them.
    ///
    /// A creation that was cut short leaves a folder for evidence too, but nothing in it, nor an index.
    public static func isSet(_ path: String, in files: any FileSystem) async throws -> Bool {
        if try await hasRecords(path, in: files) { return true }
        let evidence = path + "/" + evidenceFolder
        guard try await files.status(evidence, followLinks: false)?.kind == .folder else { return false }
        if try await files.status(path + "/index.json", followLinks: false) != nil { return true }
        return try await !files.list(evidence).isEmpty
    }

    private static func hasRecords(_ path: String, in files: any FileSystem) async throws -> Bool {
        try await files.status(path + "/" + recordsFolder, followLinks: false)?.kind == .folder
    }

    /// What to say of a set that was there when it was opened, and is not any more; nil as long as it is.
    func absence() async throws -> ArchiveError? {
        if try await BackupSet.hasRecords(path, in: files) { return nil }
        return ArchiveError(
            .local, "backup set \(name) is not there any more", advice: "check that its disk is mounted")
    }

    /// Opens a set to read it.
    ///
    /// - Throws: `ArchiveError` `.notFound` if there is none, `.policy` for folders that lead elsewhere; `FileError`.
    public static func open(
        _ path: String, surroundings: Surroundings, files: any FileSystem = LocalFileSystem()
    ) async throws -> BackupSet {
        guard let status = try await files.status(path, followLinks: true) else {
            throw ArchiveError(
                .notFound, "there is no folder \(shown(path, limit: 1000))",
                advice: "check the path, and that its disk is mounted")
        }
        guard try await hasRecords(path, in: files) else { throw try await noSet(path, status, in: files) }
        let set = BackupSet(LayoutFolder(path: path, files: files, surroundings: surroundings))
        try await set.checkFolders()
        return set
    }

    /// What a path is that was taken for a set.
    private static func noSet(
        _ path: String, _ status: FileStatus, in files: any FileSystem
    ) async throws -> ArchiveError {
        let name = shown(path, limit: 1000)
        guard status.kind == .folder else {
            return ArchiveError.usage(
                "\(name) is a file and no backup set", advice: "lifeboat import \(name) --to HOST, if it is an archive")
        }
        let lacks = "\(name) is not a backup set: it has no folder records"
        // Evidence is of backups that have been here.
        if try await files.status(path + "/" + evidenceFolder, followLinks: false) != nil {
            return .damaged(lacks, advice: "put records back from a copy of the set")
        }
        if try await files.status(path + "/oci-layout", followLinks: false) != nil {
            return .usage(lacks, advice: "it is an OCI layout: lifeboat import \(name)/ --to HOST")
        }
        return .usage(
            lacks, advice: "check the path, and that its disk is mounted; lifeboat backups init makes a new set")
    }

    /// Opens a set to write to it too; one that does not exist is made.
    ///
    /// - Throws: as `open`; `ArchiveError` `.conflict` for a folder that holds other things.
    public static func create(
        _ path: String, surroundings: Surroundings, files: any FileSystem = LocalFileSystem()
    ) async throws -> BackupSet {
        let set = BackupSet(LayoutFolder(path: path, files: files, surroundings: surroundings))
        if let status = try await files.status(path, followLinks: true), try await !hasRecords(path, in: files) {
            // With new records it would be a set that has forgotten all that it had.
            if try await isSet(path, in: files) { throw try await noSet(path, status, in: files) }
            // What a creation that was cut short leaves is ours.
            let ours: Set = ["blobs", evidenceFolder, "trash", "lifeboat-tmp", "lost+found"]
            if let other = try await files.list(path).first(where: { !ours.contains($0) }) {
                throw ArchiveError(
                    .conflict,
                    "\(shown(path, limit: 1000)) is no backup set, and has other things in it, such as \(shown(other))",
                    advice: "give a new folder or an empty one")
            }
        }
        try await set.folder.prepare()
        try await files.createFolder(set.evidencePath)
        // Last, since it is what makes the folder a set.
        try await files.createFolder(set.recordsPath)
        try await set.checkFolders()
        try await files.syncFolder(path)
        return set
    }

    /// Refuses folders that lead elsewhere.
    private func checkFolders() async throws {
        try await folder.checkFolders()
        for folder in [recordsPath, evidencePath, trashPath] {
            guard let status = try await files.status(folder, followLinks: false) else { continue }
            guard status.kind == .folder else {
                throw ArchiveError(.policy, "\(shown(folder)) is not a folder but a link or a file")
            }
        }
    }

    /// What is known of a blob's file; nil if there is none.
    public func status(of digest: Digest) async throws -> FileStatus? { try await folder.status(of: digest) }

    /// Where a blob lies.
    public func path(of digest: Digest) -> String { folder.path(of: digest) }
}
