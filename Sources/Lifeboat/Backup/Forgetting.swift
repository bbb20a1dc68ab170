import OCI
import OCIArchive

/// Backups that somebody wants to be forgotten by name.
public struct Forgetting: Sendable {
    public var set: BackupSet
    /// Beginnings of ids, times, `latest`, or names of files in `records/`.
    public var words: [String]
    /// Whether the set may be emptied, or lose its newest verified backup.
    public var force: Bool

    public init(_ set: BackupSet, _ words: [String], force: Bool) {
        self.set = set
        self.words = words
        self.force = force
    }

    /// What the words mean in a set.
    public struct Choice: Sendable {
        public var backups: [Backup] = []
        /// Backups that are gone already, and of which an alarm says so.
        public var absent: [Digest] = []
        /// Records that cannot be read.
        public var damaged: [String] = []
    }

    /// - Throws: `LifeboatError` `.policy` for what is not done without force; `ArchiveError` `.notFound`, `.usage`.
    public func choose(_ state: BackupSetState) async throws -> Choice {
        var choice = Choice()
        for word in words {
            if state.alarms.contains(where: { $0.kind == .damagedRecord && $0.file == word }) {
                choice.damaged.append(word)
            } else if let absent = absent(word, state) {
                choice.absent.append(absent)
            } else {
                let backup = try await set.find(word)
                // A record that may be mended goes only by the name of its file.
                if let alarm = state.alarms.first(where: { $0.kind == .damagedRecord && $0.file == backup.file }) {
                    throw LifeboatError(
                        .policy, "nothing is forgotten: \(alarm.description)", advice: alarm.advice)
                }
                choice.backups.append(backup)
            }
        }
        let removed = Set(choice.backups.map(\.id))
        let candidates = state.candidates
        try Retention.checkLoss(removed, of: Array(candidates.values), in: set.path, force: force)
        for (group, backups) in state.backups.groups where group.isNamed {
            try Retention.checkLoss(
                removed.intersection(backups.map(\.id)), of: backups.compactMap { candidates[$0.id] }, in: set.path,
                group: group, force: force)
        }
        return choice
    }

    private func absent(_ word: String, _ state: BackupSetState) -> Digest? {
        let prefix = word.hasPrefix("sha256:") ? String(word.dropFirst(7)) : word
        guard prefix.utf8.count >= BackupSet.shortestPrefix else { return nil }
        let absent = state.alarms.filter { $0.kind == .absent }.compactMap(\.backup)
        let found = absent.filter { $0.hex.hasPrefix(prefix) }
        return found.count == 1 && !state.backups.contains { $0.id.hex.hasPrefix(prefix) } ? found[0] : nil
    }

    /// - Returns: what was forgotten.
    /// - Throws: as `choose`; what `BackupSet.forget` throws.
    public func run() async throws -> Choice {
        var choice = Choice()
        try await set.forget(because: "asked for by name") { state in
            choice = try await choose(state)
            return choice.backups.map(\.id) + choice.absent
        } givingUp: {
            choice.damaged
        }
        return choice
    }
}
