import GRDB
import OCI
import OCIArchive

/// What the newest backup that the catalog knows of a set holds: the spans that are still open.
struct CatalogSpans: Sendable {
    private struct ImageKey: Hashable, Sendable {
        var registry: String
        var repository: String
        var tag: String
        var digest: Digest
    }

    private let set: Int64
    private var newest: Int64
    /// The row of each, and the ordinal of the last backup that has it.
    private var images: [ImageKey: (row: Int64, last: Int64)] = [:]
    private var blobs: [Digest: (row: Int64, last: Int64)] = [:]

    init(_ set: Int64, _ database: Database) throws {
        self.set = set
        newest = try CatalogSpans.newest(set, database)
        let imageRows = try Row.fetchCursor(
            database,
            sql: "SELECT rowid, registry, repository, tag, digest FROM image WHERE set_id = ? AND last IS NULL",
            arguments: [set])
        while let row = try imageRows.next() {
            let key = ImageKey(
                registry: row["registry"], repository: row["repository"], tag: row["tag"],
                digest: try Digest(parsing: row["digest"] as String))
            images[key] = (row["rowid"], newest)
        }
        let blobRows = try Row.fetchCursor(
            database, sql: "SELECT rowid, digest FROM blob WHERE set_id = ? AND last IS NULL", arguments: [set])
        while let row = try blobRows.next() {
            blobs[try Digest(parsing: row["digest"] as String)] = (row["rowid"], newest)
        }
    }

    private static func newest(_ set: Int64, _ database: Database) throws -> Int64 {
        try Int64.fetchOne(database, sql: "SELECT max(ordinal) FROM backup WHERE set_id = ?", arguments: [set]) ?? 0
    }

    /// Adds the backup that comes after all that are known.
    ///
    /// - Throws: `CatalogError` `.locked` if another process has added one meanwhile.
    mutating func append(_ backup: Backup, _ record: BackupRecord, _ database: Database, path: String) throws {
        guard try CatalogSpans.newest(set, database) == newest else { throw CatalogError(changing: path) }
        let ordinal = newest + 1
        let header = backup.header
        try database.execute(
            sql: """
                INSERT INTO backup
                (set_id, ordinal, id, file, ended, state, suspect, pipeline, source, images, blobs, bytes, bytes_added)
                VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
                """,
            arguments: [
                set, ordinal, backup.id.description, backup.file, header.ended, header.state.rawValue, header.suspect,
                header.pipeline, header.source, header.images, header.blobs, header.bytes, header.bytesAdded,
            ])
        let addImage = try database.cachedStatement(
            sql: """
                INSERT INTO image (set_id, registry, repository, tag, digest, media_type, size, first)
                VALUES (?, ?, ?, ?, ?, ?, ?, ?)
                """)
        for image in record.images {
            let key = ImageKey(
                registry: image.registry ?? "", repository: image.repository.description,
                tag: image.tag?.description ?? "", digest: image.descriptor.digest)
            if let known = images[key] {
                images[key] = (known.row, ordinal)
                continue
            }
            try addImage.execute(arguments: [
                set, key.registry, key.repository, key.tag, key.digest.description,
                image.descriptor.mediaType.rawValue, image.descriptor.size, ordinal,
            ])
            images[key] = (database.lastInsertedRowID, ordinal)
        }
        let addBlob = try database.cachedStatement(
            sql: "INSERT INTO blob (set_id, digest, size, role, first) VALUES (?, ?, ?, ?, ?)")
        for blob in record.blobs {
            if let known = blobs[blob.digest] {
                blobs[blob.digest] = (known.row, ordinal)
                continue
            }
            try addBlob.execute(arguments: [set, blob.digest.description, blob.size, blob.role.rawValue, ordinal])
            blobs[blob.digest] = (database.lastInsertedRowID, ordinal)
        }
        let endImage = try database.cachedStatement(sql: "UPDATE image SET last = ? WHERE rowid = ?")
        for (key, span) in images where span.last != ordinal {
            try endImage.execute(arguments: [newest, span.row])
            images[key] = nil
        }
        let endBlob = try database.cachedStatement(sql: "UPDATE blob SET last = ? WHERE rowid = ?")
        for (digest, span) in blobs where span.last != ordinal {
            try endBlob.execute(arguments: [newest, span.row])
            blobs[digest] = nil
        }
        newest = ordinal
    }

    /// Takes a backup out: spans that begin or end with it become shorter.
    static func remove(_ ordinal: Int64, of set: Int64, _ database: Database) throws {
        let before = try Int64.fetchOne(
            database, sql: "SELECT max(ordinal) FROM backup WHERE set_id = ? AND ordinal < ?",
            arguments: [set, ordinal])
        let after = try Int64.fetchOne(
            database, sql: "SELECT min(ordinal) FROM backup WHERE set_id = ? AND ordinal > ?",
            arguments: [set, ordinal])
        let open = after == nil ? " OR last IS NULL" : ""
        for table in ["image", "blob"] {
            // Spans of this backup alone.
            try database.execute(
                sql: "DELETE FROM \(table) WHERE set_id = ? AND first = ? AND (last = ?\(open))",
                arguments: [set, ordinal, ordinal])
            if let after {
                try database.execute(
                    sql: "UPDATE \(table) SET first = ? WHERE set_id = ? AND first = ?",
                    arguments: [after, set, ordinal])
            }
            if let before {
                try database.execute(
                    sql: "UPDATE \(table) SET last = ? WHERE set_id = ? AND last = ?",
                    arguments: [before, set, ordinal])
            }
        }
        try database.execute(
            sql: "DELETE FROM backup WHERE set_id = ? AND ordinal = ?", arguments: [set, ordinal])
    }

    static func clear(_ set: Int64, _ database: Database) throws {
        for table in ["backup", "image", "blob", "evidence"] {
            try database.execute(sql: "DELETE FROM \(table) WHERE set_id = ?", arguments: [set])
        }
    }
}
