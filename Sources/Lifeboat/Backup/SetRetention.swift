import OCI
import OCIArchive

/// A policy at work on a backup set.
public struct SetRetention: Sendable, Hashable {
    public var policy: Retention
    /// By whose clocks hours, days, weeks, months and years begin.
    public var zone: ZoneClock

    public init(_ policy: Retention, zone: ZoneClock = .utc) {
        self.policy = policy
        self.zone = zone
    }

    /// A backup, and what becomes of it.
    public struct Row: Sendable {
        /// Within which the policy was applied.
        public var group: BackupGroup
        public var backup: Backup
        public var isSuspect: Bool
        /// Why it is kept; none if it is forgotten.
        public var reasons: [Retention.Reason]

        public var isKept: Bool { !reasons.isEmpty }
    }

    /// What the policy makes of a set: of each group by itself. Nothing is changed.
    ///
    /// - Parameters:
    ///   - now: seconds since 1970, UTC.
    ///   - isMeant: which groups; the others stay as they are.
    /// - Returns: group by group, in each the newest first.
    /// - Throws: `LifeboatError` `.policy` as `Retention.apply`, and `.damaged` if records are missing or damaged: what
    ///   is left may look newer or older than it is.
    public func rows(
        _ state: BackupSetState, of set: BackupSet, now: Int64, force: Bool = false,
        where isMeant: (BackupGroup) -> Bool = { _ in true }
    ) throws -> [Row] {
        if let alarm = state.alarms.first(where: { $0.kind != .damagedEvidence }) {
            throw LifeboatError(
                .damaged, "nothing is forgotten: \(alarm.description)", advice: alarm.advice)
        }
        // A clock that is behind any backup is wrong for all of them.
        if let newest = state.backups.last { try Retention.checkClock(now, newest: newest.header.ended) }
        let candidates = state.candidates
        var rows: [Row] = []
        for (group, backups) in state.backups.groups where isMeant(group) {
            let those = backups.compactMap { candidates[$0.id] }
            let verdicts = try policy.apply(to: those, now: now) { Int64(zone.offset(at: $0)) }
            try Retention.checkLoss(
                Set(verdicts.filter { !$0.isKept }.map(\.backup.id)), of: those, in: set.path, group: group,
                force: force)
            let byID = Dictionary(backups.map { ($0.id, $0) }) { first, _ in first }
            rows += verdicts.compactMap { verdict in
                byID[verdict.backup.id].map {
                    Row(group: group, backup: $0, isSuspect: verdict.backup.isSuspect, reasons: verdict.reasons)
                }
            }
        }
        return rows
    }

    /// Forgets what the policy does not keep.
    ///
    /// - Returns: the backups, as `rows` gives them, and what became of them.
    /// - Throws: as `rows`; what `BackupSet.forget` throws.
    public func apply(
        to set: BackupSet, now: Int64, force: Bool = false, where isMeant: (BackupGroup) -> Bool = { _ in true }
    ) async throws -> [Row] {
        var rows: [Row] = []
        try await set.forget(because: policy.description) { state in
            rows = try self.rows(state, of: set, now: now, force: force, where: isMeant)
            return rows.filter { !$0.isKept }.map(\.backup.id)
        }
        return rows
    }
}

extension [SetRetention.Row] {
    /// The rows of each group, the groups in order.
    public var groups: [(group: BackupGroup, rows: [SetRetention.Row])] {
        map(\.group).uniqued().map { group in (group, filter { $0.group == group }) }
    }
}

extension BackupSetState {
    /// What retention needs to know of the backups.
    public var candidates: [Digest: Retention.Candidate] {
        Dictionary(
            backups.enumerated().map { place, backup in
                (
                    backup.id,
                    Retention.Candidate(
                        id: backup.id, time: backup.header.ended, isComplete: backup.header.state == .complete,
                        isSuspect: isSuspect(backup), isVerified: verified[backup.id] != nil, place: place)
                )
            }
        ) { first, _ in first }
    }

    var firstSuspect: Backup? { backups.first(where: isSuspect) }

    /// The groups whose newest backup is complete and believed.
    var settledGroups: Set<BackupGroup> {
        Set(
            backups.groups.filter { _, backups in
                backups.last.map { $0.header.state == .complete && !isSuspect($0) } ?? false
            }.map(\.group))
    }
}

extension Retention: CustomStringConvertible {
    /// `keep last 7, daily 14, within 30d`
    public var description: String {
        let rules = Rule.allCases.compactMap { rule in counts[rule].map { "\(rule.rawValue) \($0)" } }
        return "keep " + (rules + (within.map { ["within \($0)"] } ?? [])).joined(separator: ", ")
    }
}
