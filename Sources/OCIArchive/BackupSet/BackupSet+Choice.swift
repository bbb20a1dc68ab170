import OCI

extension BackupSet {
    /// The least hex digits by which a backup is chosen.
    public static let shortestPrefix = 4

    /// The backup that a word means: `latest`, the beginning of an id (at least four hex digits, with or without
    /// `sha256:`), or a time as RFC 3339 writes it: the newest backup not after it.
    ///
    /// `latest` and a time mean complete backups with a listing that is believed, as long as there is one.
    ///
    /// - Parameter pipeline: the name of the definition that has made it; nil for any.
    /// - Throws: `ArchiveError` `.notFound`, `.usage` for a word that means none of this or more than one.
    public func find(_ word: String, pipeline: String? = nil) async throws -> Backup {
        let all = try await backups()
        let backups = pipeline == nil ? all : all.filter { $0.header.pipeline == pipeline }
        if let pipeline, backups.isEmpty, !all.isEmpty {
            let known = Set(all.map(\.header.pipeline)).sorted().map { shown($0, limit: 200) }
            throw ArchiveError(
                .notFound, "\(name) has no backup of pipeline '\(shown(pipeline, limit: 200))'",
                advice: "it has those of \(known.joined(separator: ", "))")
        }
        guard !backups.isEmpty else {
            throw ArchiveError(.notFound, "\(name) has no backup yet", advice: "lifeboat export SOURCE --to \(name)/")
        }
        let prefix = word.hasPrefix("sha256:") ? word.dropFirst(7) : word[...]
        let isHex = prefix.utf8.allSatisfy {
            (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains($0)
        }
        if isHex, prefix.utf8.count >= BackupSet.shortestPrefix {
            let found = backups.filter { $0.id.hex.hasPrefix(prefix) }
            guard found.count <= 1 else {
                throw ArchiveError.usage(
                    "\(found.count) backups of \(name) begin with \(shown(word, limit: 80)): "
                        + found.prefix(5).map(\.name).joined(separator: ", "), advice: "give more digits")
            }
            guard let backup = found.first else {
                throw ArchiveError(
                    .notFound, "\(name) has no backup \(shown(word, limit: 80))",
                    advice: "lifeboat backups list \(name)")
            }
            return backup
        }
        let accepted = try await accepted()
        func newest(of backups: [Backup]) -> Backup? {
            backups.last { $0.isGood(accepted) }
        }
        if word == "latest" { return newest(of: backups) ?? backups[backups.count - 1] }
        let moment: Moment
        do {
            moment = try Moment(parsing: word)
        } catch {
            throw ArchiveError.usage(
                "'\(shown(word, limit: 80))' names no backup",
                advice: "latest, the beginning of an id, or a time such as 2026-11-20T08:30:00Z (RFC 3339)")
        }
        let before = backups.filter { $0.moment <= moment }
        guard let backup = newest(of: before) ?? before.last else {
            throw ArchiveError(
                .notFound, "\(name) has no backup of \(moment) or before",
                advice: "the oldest is of \(backups[0].moment)")
        }
        return backup
    }
}
