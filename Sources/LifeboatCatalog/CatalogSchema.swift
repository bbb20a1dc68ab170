import GRDB

/// The tables of a catalog, version by version; `PRAGMA user_version` says which the file has.
enum CatalogSchema {
    /// What each version adds to the one before. A version that was released does not change.
    private static let versions = [
        // 1: which digest Lifeboat last put under which tag
        """
        CREATE TABLE written_tag (
            registry   TEXT NOT NULL,
            repository TEXT NOT NULL,
            tag        TEXT NOT NULL,
            digest     TEXT, -- null until the first write has succeeded
            begun      TEXT, -- what a write was begun with; null when it has succeeded
            time       INTEGER NOT NULL,
            run        TEXT NOT NULL,
            PRIMARY KEY (registry, repository, tag)
        ) WITHOUT ROWID, STRICT
        """,
        // 2: when the referrers of which manifest were last seen to be at a target
        """
        CREATE TABLE referrer_lookup (
            source TEXT NOT NULL, -- registry/repository
            target TEXT NOT NULL,
            types  TEXT NOT NULL, -- the artifact types that were wanted; '' for all
            digest TEXT NOT NULL,
            time   INTEGER NOT NULL,
            PRIMARY KEY (source, target, types, digest)
        ) WITHOUT ROWID, STRICT
        """,
    ]

    static var current: Int { versions.count }

    /// Must be called within a transaction that holds the write lock, so that of two processes one finds it done.
    static func migrate(_ database: Database, path: String) throws {
        let version = try Int.fetchOne(database, sql: "PRAGMA user_version") ?? 0
        guard version <= current else { throw CatalogError(newer: path, version: version) }
        guard version < current else { return }
        for change in versions[max(0, version)...] { try database.execute(sql: change) }
        try database.execute(sql: "PRAGMA user_version = \(current)")
    }
}
