import GRDB
import Lifeboat
import OCI

extension Catalog: WrittenTags {
    public func lastWritten(registry: String, repository: RepositoryName, tag: Tag) async throws -> Digest? {
        let names = [registry, repository.description, tag.description]
        let text = try await asking { database in
            try await database.read { database in
                try String.fetchOne(
                    database, sql: "SELECT digest FROM written_tag WHERE registry = ? AND repository = ? AND tag = ?",
                    arguments: StatementArguments(names))
            }
        }
        guard let text else { return nil }
        do {
            return try Digest(parsing: text)
        } catch {
            throw CatalogError(damaged: path, because: error.description)
        }
    }

    public func record(_ tag: WrittenTag) async throws {
        try await asking { database in
            try await database.write { database in
                try database.execute(
                    sql: """
                        INSERT INTO written_tag (registry, repository, tag, digest, time, run) VALUES (?, ?, ?, ?, ?, ?)
                        ON CONFLICT DO UPDATE SET digest = excluded.digest, time = excluded.time, run = excluded.run
                        """,
                    arguments: [
                        tag.registry, tag.repository.description, tag.tag.description, tag.digest.description,
                        tag.time, tag.run,
                    ])
            }
        }
    }

    private func asking<R: Sendable>(_ body: (DatabaseQueue) async throws -> R) async throws -> R {
        do {
            return try await body(try await database())
        } catch let error as CancellationError {
            throw error
        } catch {
            throw CatalogError(error, path: path)
        }
    }
}
