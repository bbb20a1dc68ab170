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
        public var backup: Backup
        public var isSuspect: Bool
        /// Why it is kept; none if it is forgotten.
        public var reasons: [Retention.Reason]

        public var isKept: Bool { !reasons.isEmpty }
    }

    /// What the policy makes of a set, newest first; nothing is changed.
    ///
    /// - Parameter now: seconds since 1970, UTC.
    /// - Throws: `LifeboatError` `.policy` as `Retention.apply`, and `.damaged` if records are missing or damaged: what
    ///   is left may look newer or older than it is.
    public func rows(_ state: BackupSetState, of set: BackupSet, now: Int64, force: Bool = false) throws -> [Row] {
        if let alarm = state.alarms.first(where: { $0.kind != .damagedEvidence }) {
            throw LifeboatError(
                .damaged, "nothing is forgotten: \(alarm.description)", advice: alarm.advice)
        }
        let backups = Dictionary(state.backups.map { ($0.id, $0) }) { first, _ in first }
        let candidates = state.candidates
        let verdicts = try policy.apply(to: candidates, now: now) { moment in
            Int64(zone.offset(at: moment))
        }
        try Retention.checkLoss(
            Set(verdicts.filter { !$0.isKept }.map(\.backup.id)), of: candidates, in: set.path, force: force)
        return verdicts.compactMap { verdict in
            backups[verdict.backup.id].map {
                Row(backup: $0, isSuspect: verdict.backup.isSuspect, reasons: verdict.reasons)
            }
        }
    }

    /// Forgets what the policy does not keep.
    ///
    /// - Returns: all backups, newest first, and what became of them.
    /// - Throws: as `rows`; what `BackupSet.forget` throws.
    public func apply(to set: BackupSet, now: Int64, force: Bool = false) async throws -> [Row] {
        var rows: [Row] = []
        try await set.forget(because: policy.description) { state in
            rows = try self.rows(state, of: set, now: now, force: force)
            return rows.filter { !$0.isKept }.map(\.backup.id)
        }
        return rows
    }
}

extension BackupSetState {
    /// What retention needs to know of the backups.
    public var candidates: [Retention.Candidate] {
        backups.map { backup in
            Retention.Candidate(
                id: backup.id, time: backup.header.ended, isComplete: backup.header.state == .complete,
                isSuspect: isSuspect(backup), isVerified: verified[backup.id] != nil)
        }
    }
}

extension Retention: CustomStringConvertible {
    /// `keep last 7, daily 14, within 30d`
    public var description: String {
        let rules = Rule.allCases.compactMap { rule in counts[rule].map { "\(rule.rawValue) \($0)" } }
        return "keep " + (rules + (within.map { ["within \($0)"] } ?? [])).joined(separator: ", ")
    }
}
