import OCI
import OCIArchive

extension SetRetention {
    /// Forgets what the policy does not keep, after a backup was added, and prunes.
    ///
    /// Nothing goes after an incomplete or suspect backup, or while another process is at work in the set: the next run
    /// does it.
    ///
    /// - Returns: what was done or left, on one line each.
    /// - Throws: what `apply` and `BackupSet.prune` throw.
    func afterBackup(_ path: String, in environment: RunEnvironment) async throws -> [String] {
        let set = try await BackupSet.open(
            path, surroundings: environment.surroundings, files: environment.fileSystem)
        let state = try await set.state()
        guard let newest = state.backups.last else { return [] }
        if newest.header.state != .complete || state.isSuspect(newest) {
            let what = newest.header.state != .complete ? "incomplete" : "suspect"
            return ["nothing was forgotten in \(set.name): its newest backup is \(what)"]
        }
        do {
            let now = environment.surroundings.now() / 1000
            let rows = try await apply(to: set, now: now)
            let forgotten = rows.count { !$0.isKept }
            // To prune is to read all records: only where there is something to gain.
            let hasTrash = try await set.hasTrash()
            guard forgotten > 0 || hasTrash else { return [] }
            let pruned = try await set.prune()
            var notes: [String] = []
            if forgotten > 0 {
                notes.append(
                    "\(policy): \(Figures.count(rows.count - forgotten, "backup")) in \(set.name), \(forgotten) forgotten"
                )
            }
            if pruned.trashed.blobs > 0 || pruned.freed.blobs > 0 { notes.append(pruned.words) }
            return notes + pruned.notes
        } catch let error as any Failure where error.kind == .locked {
            return ["nothing was forgotten: \(error.description)"]
        }
    }
}

extension PruneReport {
    /// `freed 1.2 GB (31 blobs); put 300 MB (12 blobs) into the trash`
    var words: String {
        func text(_ amount: Amount) -> String {
            "\(Figures.bytes(amount.bytes)) (\(Figures.count(amount.blobs, "blob")))"
        }
        var parts: [String] = []
        if freed.blobs > 0 { parts.append("freed \(text(freed))") }
        if trashed.blobs > 0 {
            parts.append("put \(text(trashed)) into the trash" + (freedNext.map { ", until \($0)" } ?? ""))
        }
        if takenBack.blobs > 0 { parts.append("took \(text(takenBack)) out of the trash again") }
        return parts.joined(separator: "; ")
    }
}
