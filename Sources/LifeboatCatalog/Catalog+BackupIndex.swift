import GRDB
import Lifeboat
import OCI
import OCIArchive

extension Catalog: BackupIndex {
    public func spans(of name: TagName, in set: BackupSet, _ backups: [Backup]) async throws -> [TagSpan] {
        let places = try await places(of: set, backups)
        let rows = try await asking { database in
            try await database.read { database in
                try Row.fetchAll(
                    database,
                    sql: """
                        SELECT registry, digest, first, last FROM image
                        WHERE set_id = ? AND repository = ? AND tag = ? AND (? IS NULL OR registry = ?)
                        """,
                    arguments: [
                        places.set, name.repository.description, name.tag.description, name.registry, name.registry,
                    ]
                ).map { (registry: $0["registry"] as String, digest: $0["digest"] as String, span: RawSpan($0)) }
            }
        }
        return try rows.map { row in
            TagSpan(
                registry: row.registry.isEmpty ? nil : row.registry,
                digest: try reading { try Digest(parsing: row.digest) },
                span: try places.span(row.span, self))
        }
    }

    public func holders(of digest: Digest, in set: BackupSet, _ backups: [Backup]) async throws -> DigestHolders {
        let places = try await places(of: set, backups)
        let arguments: StatementArguments = [places.set, digest.description]
        let (blobs, images) = try await asking { database in
            try await database.read { database in
                let blobs = try Row.fetchAll(
                    database,
                    sql: "SELECT role, size, first, last FROM blob WHERE set_id = ? AND digest = ? ORDER BY first",
                    arguments: arguments
                ).map { (role: $0["role"] as String, size: $0["size"] as Int64, span: RawSpan($0)) }
                let images = try Row.fetchAll(
                    database,
                    sql: """
                        SELECT registry, repository, tag, media_type, size, first, last FROM image
                        WHERE set_id = ? AND digest = ? ORDER BY first, registry, repository, tag
                        """,
                    arguments: arguments
                ).map { (texts: ImageTexts($0), span: RawSpan($0)) }
                return (blobs, images)
            }
        }
        var holders = DigestHolders(digest)
        holders.role = blobs.first.flatMap { ArchivedBlob.Role(rawValue: $0.role) }
        holders.size = blobs.first?.size
        for blob in blobs {
            let span = try places.span(blob.span, self)
            if let last = holders.spans.last, last.last >= span.first - 1 {
                holders.spans[holders.spans.count - 1].last = span.last
            } else {
                holders.spans.append(span)
            }
        }
        holders.images = try images.map { image in
            DigestHolders.Image(
                image: try reading { try image.texts.image(digest) }, span: try places.span(image.span, self))
        }
        return holders
    }

    // MARK: Reading rows

    /// A span as the file has it: by ordinals.
    struct RawSpan: Sendable {
        var first: Int64
        var last: Int64?

        init(_ row: Row) {
            first = row["first"]
            last = row["last"]
        }
    }

    private struct ImageTexts: Sendable {
        let registry: String
        let repository: String
        let tag: String
        let mediaType: String
        let size: Int64

        init(_ row: Row) {
            registry = row["registry"]
            repository = row["repository"]
            tag = row["tag"]
            mediaType = row["media_type"]
            size = row["size"]
        }

        func image(_ digest: Digest) throws -> NamedImage {
            NamedImage(
                registry: registry.isEmpty ? nil : registry, repository: try RepositoryName(repository),
                tag: tag.isEmpty ? nil : try Tag(tag),
                descriptor: Descriptor(mediaType: MediaType(rawValue: mediaType), digest: digest, size: size))
        }
    }

    /// Where backups stand in the list of them, by their ordinals.
    struct Places: Sendable {
        let set: Int64
        let places: [Int64: Int]

        func span(_ raw: RawSpan, _ catalog: Catalog) throws -> BackupSpan {
            guard let first = places[raw.first], let last = raw.last.map({ places[$0] }) ?? places.count - 1,
                first <= last
            else { throw CatalogError(damaged: catalog.path, because: "it names a backup that it does not know") }
            return BackupSpan(first: first, last: last)
        }
    }

    private func places(of set: BackupSet, _ backups: [Backup]) async throws -> Places {
        try await refresh(set, backups)
        let path = resolvedPath(set.path)
        let (id, known) = try await asking { database in
            try await database.read { database in
                let id = try Catalog.set(path, database)
                return (id, try Catalog.known(id, database))
            }
        }
        guard let id, known.map(\.file) == backups.map(\.file) else {
            throw CatalogError(changing: self.path)
        }
        return Places(
            set: id,
            places: Dictionary(uniqueKeysWithValues: known.enumerated().map { ($0.element.ordinal, $0.offset) }))
    }

    /// A value that does not parse was not written by us.
    private func reading<R>(_ body: () throws -> R) throws -> R {
        do {
            return try body()
        } catch let error as OCIError {
            throw CatalogError(damaged: path, because: error.description)
        }
    }
}
