import GRDB
import Lifeboat
import OCI

extension Catalog: ReferrerLookups {
    /// What nobody has asked for in so long is forgotten: images that are gone, and pipelines.
    static let lookupLifetime: Int64 = 400 * 86_400_000

    public func lastLookups(_ way: ReferrerWay) async throws -> [Digest: Int64] {
        let rows = try await asking { database in
            try await database.read { database -> [(String, Int64)] in
                try Row.fetchAll(
                    database,
                    sql: "SELECT digest, time FROM referrer_lookup WHERE source = ? AND target = ? AND types = ?",
                    arguments: [way.source, way.target, way.types]
                ).map { ($0["digest"], $0["time"]) }
            }
        }
        var times: [Digest: Int64] = [:]
        do {
            for (digest, time) in rows { times[try Digest(parsing: digest)] = time }
        } catch {
            throw CatalogError(damaged: path, because: error.description)
        }
        return times
    }

    public func record(_ digests: [Digest], _ way: ReferrerWay, at time: Int64) async throws {
        try await asking { database in
            try await database.write { database in
                let statement = try database.makeStatement(
                    sql: """
                        INSERT INTO referrer_lookup (source, target, types, digest, time) VALUES (?, ?, ?, ?, ?)
                        ON CONFLICT DO UPDATE SET time = excluded.time
                        """)
                for digest in digests {
                    try statement.execute(arguments: [way.source, way.target, way.types, digest.description, time])
                }
                try database.execute(
                    sql: "DELETE FROM referrer_lookup WHERE source = ? AND target = ? AND time < ?",
                    arguments: [way.source, way.target, time - Catalog.lookupLifetime])
            }
        }
    }
}
