import GRDB
import Lifeboat
import OCI

extension Catalog: WrittenTags {
    public func lastWritten(registry: String, repository: RepositoryName, tag: Tag) async throws -> LastWritten {
        let names = [registry, repository.description, tag.description]
        let texts = try await asking { database in
            try await database.read { database -> [String?] in
                let row = try Row.fetchOne(
                    database,
                    sql: "SELECT digest, begun FROM written_tag WHERE registry = ? AND repository = ? AND tag = ?",
                    arguments: StatementArguments(names))
                return [row?["digest"], row?["begun"]]
            }
        }
        do {
            return LastWritten(
                digest: try texts[0].map { try Digest(parsing: $0) },
                begun: try texts[1].map { try Digest(parsing: $0) })
        } catch let error as OCIError {
            throw CatalogError(damaged: path, because: error.description)
        }
    }

    public func repositories(registry: String, digest: Digest) async throws -> [RepositoryName] {
        let texts = try await asking { database in
            try await database.read { database in
                try String.fetchAll(
                    database,
                    sql: """
                        SELECT DISTINCT repository FROM written_tag WHERE registry = ? AND digest = ?
                        ORDER BY repository
                        """,
                    arguments: [registry, digest.description])
            }
        }
        do {
            return try texts.map { try RepositoryName($0) }
        } catch let error as OCIError {
            throw CatalogError(damaged: path, because: error.description)
        }
    }

    public func begin(_ tag: WrittenTag) async throws {
        try await write(
            tag,
            """
            INSERT INTO written_tag (registry, repository, tag, begun, time, run) VALUES (?, ?, ?, ?, ?, ?)
            ON CONFLICT DO UPDATE SET begun = excluded.begun, time = excluded.time, run = excluded.run
            """)
    }

    public func record(_ tag: WrittenTag) async throws {
        try await write(
            tag,
            """
            INSERT INTO written_tag (registry, repository, tag, digest, time, run) VALUES (?, ?, ?, ?, ?, ?)
            ON CONFLICT DO UPDATE
            SET digest = excluded.digest, begun = NULL, time = excluded.time, run = excluded.run
            """)
    }

    private func write(_ tag: WrittenTag, _ statement: String) async throws {
        try await asking { database in
            try await database.write { database in
                try database.execute(
                    sql: statement,
                    arguments: [
                        tag.registry, tag.repository.description, tag.tag.description, tag.digest.description,
                        tag.time, tag.run,
                    ])
            }
        }
    }
}
