import OCI
import OCIArchive

extension SetRetention {
    /// Forgets what the policy does not keep of a pipeline's backups, after one was added, and prunes.
    ///
    /// What other pipelines have put into the set is theirs. Nothing goes from a group whose newest backup is incomplete
    /// or suspect, or while another process is at work in the set: the next run does it.
    ///
    /// - Returns: what was done or left, on one line each.
    /// - Throws: what `apply` and `BackupSet.prune` throw.
    func afterBackup(_ path: String, of pipeline: String, in environment: RunEnvironment) async throws -> [String] {
        let set = try await BackupSet.open(
            path, surroundings: environment.surroundings, files: environment.fileSystem)
        let state = try await set.state()
        let settled = state.settledGroups
        var notes: [String] = []
        for (group, backups) in state.backups.groups where group.pipeline == pipeline && !settled.contains(group) {
            guard let newest = backups.last else { continue }
            let what = newest.header.state != .complete ? "incomplete" : "suspect"
            notes.append(
                "nothing was forgotten in \(set.name): the newest backup of '\(group)' is \(what)")
        }
        guard settled.contains(where: { $0.pipeline == pipeline }) else { return notes }
        do {
            let now = environment.surroundings.now() / 1000
            let rows = try await apply(to: set, now: now) { $0.pipeline == pipeline && settled.contains($0) }
            let forgotten = rows.count { !$0.isKept }
            // To prune is to read all records: only where there is something to gain.
            let hasTrash = try await set.hasTrash()
            guard forgotten > 0 || hasTrash else { return notes }
            if forgotten > 0 {
                notes.append(
                    "\(policy): \(Figures.count(rows.count - forgotten, "backup")) of '\(shown(pipeline, limit: 200))' in "
                        + "\(set.name), \(forgotten) forgotten"
                )
            }
            if let suspect = try await set.state().firstSuspect {
                return notes + ["\(set.name) was not pruned: backup \(suspect.name) is suspect"]
            }
            let pruned = try await set.prune()
            if pruned.trashed.blobs > 0 || pruned.freed.blobs > 0 { notes.append(pruned.words) }
            return notes + pruned.notes
        } catch let error as any Failure where error.kind == .locked {
            return notes + ["nothing was forgotten: \(error.description)"]
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
