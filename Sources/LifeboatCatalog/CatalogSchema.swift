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
        // 3: what backup sets hold, from their records and their evidence
        """
        CREATE TABLE backup_set (
            id   INTEGER PRIMARY KEY,
            path TEXT NOT NULL UNIQUE
        ) STRICT;
        CREATE TABLE backup (
            set_id      INTEGER NOT NULL,
            ordinal     INTEGER NOT NULL, -- rises with time
            id          TEXT NOT NULL,
            file        TEXT NOT NULL,
            ended       INTEGER NOT NULL,
            state       TEXT NOT NULL,
            suspect     TEXT,
            pipeline    TEXT NOT NULL,
            source      TEXT NOT NULL,
            images      INTEGER NOT NULL,
            blobs       INTEGER NOT NULL,
            bytes       INTEGER NOT NULL,
            bytes_added INTEGER NOT NULL,
            PRIMARY KEY (set_id, ordinal)
        ) WITHOUT ROWID, STRICT;
        -- A row for backups that follow each other: a night in which nothing changes adds none.
        CREATE TABLE image (
            set_id     INTEGER NOT NULL,
            registry   TEXT NOT NULL, -- empty where it is not known
            repository TEXT NOT NULL,
            tag        TEXT NOT NULL, -- empty where there is none
            digest     TEXT NOT NULL,
            media_type TEXT NOT NULL,
            size       INTEGER NOT NULL,
            first      INTEGER NOT NULL,
            last       INTEGER -- null: up to the newest backup
        ) STRICT;
        CREATE INDEX image_name ON image (set_id, repository, tag);
        CREATE INDEX image_digest ON image (set_id, digest);
        CREATE INDEX image_open ON image (set_id) WHERE last IS NULL;
        CREATE TABLE blob (
            set_id INTEGER NOT NULL,
            digest TEXT NOT NULL,
            size   INTEGER NOT NULL,
            role   TEXT NOT NULL,
            first  INTEGER NOT NULL,
            last   INTEGER -- null: up to the newest backup
        ) STRICT;
        CREATE INDEX blob_digest ON blob (set_id, digest);
        CREATE INDEX blob_open ON blob (set_id) WHERE last IS NULL;
        CREATE TABLE evidence (
            set_id INTEGER NOT NULL,
            backup TEXT NOT NULL,
            kind   TEXT NOT NULL, -- verified, drilled, written, forgotten, accepted
            time   INTEGER NOT NULL,
            passed INTEGER NOT NULL,
            PRIMARY KEY (set_id, backup, kind, time)
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
