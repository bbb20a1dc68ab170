import GRDB
import Lifeboat
import OCI
import OCIArchive

extension Catalog {
    /// What a refreshing has done.
    public struct Refreshed: Sendable, Hashable {
        /// Backups whose records were read.
        public var added = 0
        /// Backups that are in the set no more.
        public var removed = 0
    }

    /// Makes the catalog say what the records of a set say. What it knows already is told by the names of their files.
    ///
    /// - Parameter backups: all of the set, oldest first.
    /// - Throws: `CatalogError`; what reading records throws.
    @discardableResult
    public func refresh(_ set: BackupSet, _ backups: [Backup]) async throws -> Refreshed {
        let path = resolvedPath(set.path)
        let (id, known) = try await asking { database in
            try await database.write { database in
                try database.execute(sql: "INSERT OR IGNORE INTO backup_set (path) VALUES (?)", arguments: [path])
                let id = try Catalog.set(path, database)
                return (id ?? 0, try Catalog.known(id, database))
            }
        }
        let files = backups.map(\.file)
        guard known.map(\.file) != files else { return Refreshed() }
        var result = Refreshed()
        let wanted = Set(files)
        var stays = known.filter { wanted.contains($0.file) }
        if !files.starts(with: stays.map(\.file)) {
            // An older backup has joined the set: the order is another one.
            stays = []
        }
        let goes = stays.isEmpty ? [] : known.filter { !wanted.contains($0.file) }.map(\.ordinal)
        result.removed = known.count - stays.count
        try await asking { [stays] database in
            try await database.write { database in
                if stays.isEmpty { try CatalogSpans.clear(id, database) }
                for ordinal in goes { try CatalogSpans.remove(ordinal, of: id, database) }
            }
        }
        var spans = try await asking { database in try await database.read { try CatalogSpans(id, $0) } }
        for backup in backups.dropFirst(stays.count) {
            let record = try await set.record(backup)
            spans = try await asking { [spans] database in
                try await database.write { database in
                    var spans = spans
                    try spans.append(backup, record, database, path: self.path)
                    return spans
                }
            }
            result.added += 1
        }
        return result
    }

    /// Takes over what the evidence of a set says.
    public func refreshEvidence(of set: BackupSet) async throws {
        var rows: [(kind: String, backup: String, time: Int64, passed: Bool)] = []
        for kind in BackupEvidence.Kind.allCases {
            for evidence in try await set.evidence(kind).evidence {
                for id in try evidence.passedBackups { rows.append((kind.rawValue, id.description, evidence.at, true)) }
                for id in try evidence.failedBackups {
                    rows.append((kind.rawValue, id.description, evidence.at, false))
                }
            }
        }
        let path = resolvedPath(set.path)
        try await asking { [rows] database in
            try await database.write { database in
                let id = try Catalog.set(path, database)
                try database.execute(sql: "DELETE FROM evidence WHERE set_id = ?", arguments: [id])
                let insert = try database.cachedStatement(
                    sql: "INSERT OR REPLACE INTO evidence (set_id, backup, kind, time, passed) VALUES (?, ?, ?, ?, ?)")
                for row in rows {
                    try insert.execute(arguments: [id, row.backup, row.kind, row.time, row.passed])
                }
            }
        }
    }

    /// Forgets what is known of a set, and reads it anew. A damaged file of the catalog is put aside first.
    ///
    /// - Returns: what was read, and where the damaged file is now.
    /// - Throws: `CatalogError` for a file of a newer version, or that cannot be written.
    public func rebuild(_ set: BackupSet) async throws -> (refreshed: Refreshed, aside: String?) {
        var aside: String?
        do {
            try await clear(set)
        } catch let error as CatalogError where error.isDamage {
            aside = try putAside()
        }
        let backups = try await set.backups()
        let refreshed = try await refresh(set, backups)
        try await refreshEvidence(of: set)
        return (refreshed, aside)
    }

    static func set(_ path: String, _ database: Database) throws -> Int64? {
        try Int64.fetchOne(database, sql: "SELECT id FROM backup_set WHERE path = ?", arguments: [path])
    }

    /// The records that the catalog knows of a set, oldest first.
    static func known(_ set: Int64?, _ database: Database) throws -> [(file: String, ordinal: Int64)] {
        try Row.fetchAll(
            database, sql: "SELECT file, ordinal FROM backup WHERE set_id = ? ORDER BY ordinal", arguments: [set]
        ).map { ($0["file"], $0["ordinal"]) }
    }

    private func clear(_ set: BackupSet) async throws {
        let path = resolvedPath(set.path)
        try await asking { database in
            try await database.write { database in
                let id = try Catalog.set(path, database)
                if let id { try CatalogSpans.clear(id, database) }
            }
            // The whole file, and not only what the clearing touches: what else would `rebuild` be for?
            let fault = try await database.read { try String.fetchOne($0, sql: "PRAGMA quick_check(1)") }
            if let fault, fault != "ok" { throw CatalogError(damaged: self.path, because: fault) }
        }
    }
}
