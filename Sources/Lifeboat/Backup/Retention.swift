import OCI

/// Which backups of a set are kept, as restic means it: `last` the newest so many, `daily` the newest backup of each of
/// the newest so many days that have one, and so on; `within` all since a time before the newest.
///
/// A backup is kept if one rule keeps it. Where a rule of slots still has some left at the oldest backup, it keeps that
/// one too, so that the history is as long as it can be. Pure: no clock, no files.
public struct Retention: Sendable, Hashable {
    /// The largest number of one rule.
    public static let countLimit = 100_000

    public enum Rule: String, Sendable, Hashable, CaseIterable {
        case last, hourly, daily, weekly, monthly, yearly
    }

    /// 1 to `countLimit`; a rule that is not there keeps nothing.
    public var counts: [Rule: Int]
    public var within: RetentionSpan?

    public init(_ counts: [Rule: Int] = [:], within: RetentionSpan? = nil) {
        self.counts = counts
        self.within = within
    }

    /// Whether no rule keeps anything.
    public var isEmpty: Bool { counts.values.allSatisfy { $0 <= 0 } && within == nil }

    /// What retention needs to know of a backup.
    public struct Candidate: Sendable, Hashable {
        public var id: Digest
        /// Seconds since 1970, UTC.
        public var time: Int64
        public var isComplete: Bool
        /// Whether the listing that it was made from is not believed.
        public var isSuspect: Bool
        /// Whether all of it has been read and found good.
        public var isVerified: Bool
        /// Its place in the list of the set, oldest first: the order of backups of one second.
        public var place: Int

        public init(
            id: Digest, time: Int64, isComplete: Bool = true, isSuspect: Bool = false, isVerified: Bool = false,
            place: Int = 0
        ) {
            self.id = id
            self.time = time
            self.place = place
            self.isComplete = isComplete
            self.isSuspect = isSuspect
            self.isVerified = isVerified
        }

        /// Whether it can fill a slot.
        public var isGood: Bool { isComplete && !isSuspect }

        /// Where neither time nor place tells two apart, their ids do, so that nothing is chance.
        static func isOlder(_ a: Candidate, _ b: Candidate) -> Bool {
            (a.time, a.place, a.id) < (b.time, b.place, b.id)
        }
    }

    public enum Reason: Sendable, Hashable {
        case rule(Rule)
        /// The oldest backup, for a rule with slots left.
        case oldest(Rule)
        case within(RetentionSpan)
        case newestVerified
        /// Incomplete or suspect, and newer than every good one: it may be all there is of that time.
        case unsettled
    }

    public struct Verdict: Sendable, Hashable {
        public var backup: Candidate
        /// Why it is kept; none if it is to be forgotten.
        public var reasons: [Reason]

        public var isKept: Bool { !reasons.isEmpty }
    }

    /// - Parameters:
    ///   - now: seconds since 1970, UTC.
    ///   - offset: seconds that the clocks of the slots are ahead of UTC at a moment (seconds since 1970, UTC).
    /// - Returns: newest first.
    /// - Throws: `LifeboatError` `.policy` where there is no rule, or the clock is behind the newest backup.
    public func apply(
        to backups: [Candidate], now: Int64, offset: (Int64) -> Int64 = { _ in 0 }
    ) throws(LifeboatError) -> [Verdict] {
        guard !isEmpty else {
            throw LifeboatError(
                .policy, "there is no rule that keeps a backup", advice: "at least one, such as last: 7 (--keep-last 7)"
            )
        }
        let newestFirst = backups.sorted { Candidate.isOlder($1, $0) }
        if let newest = newestFirst.first { try Retention.checkClock(now, newest: newest.time) }
        let good = newestFirst.filter(\.isGood)
        let newestVerified = good.first(where: \.isVerified)
        var slots = Rule.allCases.compactMap { rule in
            counts[rule].flatMap { $0 > 0 ? Slots(rule: rule, left: $0) : nil }
        }
        let since = within.flatMap { span in good.first.map { span.before($0.time, offset: offset) } }
        var seen = 0
        return newestFirst.map { backup in
            guard backup.isGood else { return Verdict(backup: backup, reasons: seen == 0 ? [.unsettled] : []) }
            seen += 1
            var reasons = slots.indices.compactMap { index in
                slots[index].take(backup, offset(backup.time), isOldest: seen == good.count)
            }
            if let within, let since, backup.time > since { reasons.append(.within(within)) }
            if backup == newestVerified { reasons.append(.newestVerified) }
            return Verdict(backup: backup, reasons: reasons)
        }
    }

    /// What a rule has left, going from the newest backup to the oldest.
    private struct Slots {
        let rule: Rule
        var left: Int
        /// The slot that was filled last.
        var filled: [Int64]?

        mutating func take(_ backup: Candidate, _ offset: Int64, isOldest: Bool) -> Reason? {
            guard left > 0 else { return nil }
            let slot = rule.slot(of: backup, offset)
            let isNew = slot == nil || slot != filled
            guard isNew || isOldest else { return nil }
            filled = slot
            left -= 1
            return isNew ? .rule(rule) : .oldest(rule)
        }
    }
}

extension Retention.Rule {
    /// What tells the slots of a rule apart; nil where each backup has its own.
    ///
    /// - Parameter offset: seconds that clocks are ahead of UTC. It tells the hour that a clock shows twice apart.
    fileprivate func slot(of backup: Retention.Candidate, _ offset: Int64) -> [Int64]? {
        let time = CivilTime(backup.time + offset)
        switch self {
        case .last: return nil
        case .hourly: return [time.year, time.month, time.day, time.hour, offset]
        case .daily: return [time.year, time.month, time.day]
        case .weekly: return [time.week.year, time.week.number]
        case .monthly: return [time.year, time.month]
        case .yearly: return [time.year]
        }
    }
}
