import NIOCore
import OCI

extension BackupSet {
    /// What the first lines of a record say of the records before it.
    public struct Links: Sendable, Hashable {
        /// The newest records that its writer saw.
        public var heads: [Digest] = []
        public var forgotten: [Digest] = []
    }

    /// The links of a record, of which only the beginning is read and which is not checked against its seal.
    public func links(of backup: Backup) async throws -> Links {
        let place = place(of: backup.file)
        guard let (file, status) = try await folder.open(recordsPath + "/" + backup.file) else { return Links() }
        return try await closing(file) {
            var links = Links()
            var isBehind = false
            var reader = BackupRecordReader(place: place)
            var offset: Int64 = 0
            while offset < status.size, !isBehind {
                let bytes = try await file.read(at: offset, count: 16 << 10)
                guard bytes.readableBytes > 0 else { break }
                offset += Int64(bytes.readableBytes)
                try reader.take(bytes) { part in
                    switch part {
                    case .head(let digest): links.heads.append(digest)
                    case .forgotten(let digest): links.forgotten.append(digest)
                    default: isBehind = true
                    }
                }
            }
            return links
        }
    }

    /// The links of a record; none of one that is damaged, which others have to say.
    func readableLinks(of backup: Backup) async throws -> Links {
        do {
            return try await links(of: backup)
        } catch let error as any Failure where error.kind == .damaged || error.kind == .policy {
            return Links()
        }
    }

    /// The records that no other record names, sorted.
    public func heads() async throws -> [Digest] {
        let backups = try await backups()
        let named = try await map(backups, limit: 8) { try await readableLinks(of: $0).heads }
        return Set(backups.map(\.id)).subtracting(named.joined()).sorted()
    }

    /// Makes `index.json` say what a backup holds, for those who read the folder without Lifeboat.
    func writeIndex(_ contents: ArchiveContents) async throws {
        var isChanged = false
        for (path, bytes) in [
            (folder.markerPath, ArchiveNames.layoutBytes), (folder.indexPath, ArchivePlan.indexBytes(of: contents)),
        ] {
            if let status = try await folder.status(path), status.size == Int64(bytes.readableBytes),
                try await folder.read(path, upTo: status.size)?.bytes == bytes
            {
                continue
            }
            _ = try await folder.replace(path, with: bytes)
            isChanged = true
        }
        if isChanged { try await files.syncFolder(path) }
    }

    /// Replaces a small file for people beside the backups, in one step; several writers at once leave one of theirs.
    ///
    /// - Parameter name: of the file, in the set's folder.
    public func write(note name: String, _ text: String) async throws {
        _ = try await folder.replace(path + "/" + name, with: ByteBuffer(string: text))
        try await files.syncFolder(path)
    }

    /// Blobs that some verification found damaged, with the times of modification of the files that it read.
    ///
    /// A file that has been replaced since has another time, and is not meant.
    func knownDamage() async throws -> [Digest: Set<Int64>] {
        var damage: [Digest: Set<Int64>] = [:]
        for evidence in try await evidence("damaged").evidence {
            guard case .array(let blobs)? = evidence.members["blobs"] else { continue }
            for blob in blobs {
                guard let text = blob["digest"]?.stringValue, let modified = blob["modified"]?.integerValue else {
                    continue
                }
                damage[try Digest(parsing: text), default: []].insert(modified)
            }
        }
        return damage
    }
}
