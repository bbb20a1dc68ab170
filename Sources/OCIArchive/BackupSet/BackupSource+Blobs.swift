import NIOCore
import OCI

/// Where the bytes of a backup are read from: their place, and for a backup that has been forgotten since it was
/// opened the trash, as long as it keeps them.
extension BackupSource {
    func status(of digest: Digest) async throws -> FileStatus? {
        if let status = try await self.set.status(of: digest) { return status }
        guard let path = try await self.set.trashed(digest) else { return try await self.set.status(of: digest) }
        return try await self.set.folder.status(path)
    }

    /// - Throws: as `listed`; `ArchiveError` `.damaged` for a blob that is nowhere, `.notFound` if the backup was
    ///   forgotten and pruned meanwhile.
    func open(_ blob: Descriptor) async throws -> (file: any File, status: FileStatus) {
        _ = try listed(blob)
        let place = self.set.path(of: blob.digest)
        if let opened = try await self.set.folder.open(place) { return opened }
        if let path = try await self.set.trashed(blob.digest), let opened = try await self.set.folder.open(path) {
            return opened
        }
        // A writer may have taken it out of the trash in between.
        if let opened = try await self.set.folder.open(place) { return opened }
        throw try await absence(of: blob.digest)
    }

    /// Why a blob that the record lists is nowhere.
    func absence(of digest: Digest) async throws -> ArchiveError {
        lost.note(digest)
        if let fault = try await self.set.absence() { return fault }
        guard try await self.set.folder.status(self.set.recordsPath + "/" + backup.file) != nil else {
            return ArchiveError(
                .notFound, "\(summary) was forgotten since it was opened, and blob \(digest) was pruned",
                advice: "another backup: lifeboat backups list \(name)")
        }
        return ArchiveError.damaged(
            "blob \(digest) is missing from \(name)",
            advice: "lifeboat verify \(name) says which images need it; the next export fetches it again, and so does "
                + "lifeboat backups copy from a copy of the set")
    }

    func read<R: Sendable>(
        _ blob: Descriptor, after prefix: Prefix?, _ body: @escaping @Sendable (Content) async throws -> R
    ) async throws -> R {
        try await self.set.folder.read(blob, in: try await open(blob), after: prefix, body)
    }
}
