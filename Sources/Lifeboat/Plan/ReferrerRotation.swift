import OCI

/// Says whose referrers are looked up in this run: those of new images, and of the others each once in a while.
actor ReferrerRotation {
    /// How long the referrers of an image that is at the target already are taken to be as they were.
    static let defaultInterval = Duration.seconds(7 * 86_400)

    private let memory: (any ReferrerLookups)?
    /// Milliseconds since 1970.
    private let now: Int64
    /// Comes before what rules say; nil where they say it.
    private let interval: Duration?
    private var known: [ReferrerWay: [Digest: Int64]] = [:]
    private let turns = Turns<ReferrerWay>()
    /// Why nothing is remembered.
    private(set) var fault: String?

    init(memory: (any ReferrerLookups)?, now: Int64, interval: Duration? = nil) {
        self.memory = memory
        self.now = now
        self.interval = interval
    }

    func isDue(_ digest: Digest, _ way: ReferrerWay, by rule: SelectionRule) async throws -> Bool {
        let interval = interval ?? rule.rescan ?? ReferrerRotation.defaultInterval
        guard interval > .zero, memory != nil, fault == nil else { return true }
        guard let last = try await lookups(way)[digest] else { return true }
        return ReferrerRotation.isDue(digest, last: last, now: now, interval: interval)
    }

    /// Whether the turn of a digest has come since a time at which all were looked up whose turn had come then.
    nonisolated func isDue(_ digest: Digest, last: Int64, by rule: SelectionRule) -> Bool {
        let interval = interval ?? rule.rescan ?? ReferrerRotation.defaultInterval
        return interval <= .zero || ReferrerRotation.isDue(digest, last: last, now: now, interval: interval)
    }

    /// Each digest has a moment of its own in every interval, so that not all of them are due in the same run.
    static func isDue(_ digest: Digest, last: Int64, now: Int64, interval: Duration) -> Bool {
        let length = max(1, Int64(interval.seconds * 1000))
        let phase = Int64(digest.bytes.prefix(6).reduce(UInt64(0)) { $0 << 8 | UInt64($1) }) % length
        // Times are behind 1970 by more than any interval.
        func turn(_ time: Int64) -> Int64 { (time - phase) / length }
        // A clock that was put back makes it due, too.
        return last > now || turn(now) > turn(last)
    }

    private func lookups(_ way: ReferrerWay) async throws -> [Digest: Int64] {
        if let known = known[way] { return known }
        return try await turns.take(way) {
            if let known = known[way] { return known }
            var found: [Digest: Int64] = [:]
            do {
                found = try await memory?.lastLookups(way) ?? [:]
            } catch let error as any Failure {
                fault = error.description
            }
            known[way] = found
            return found
        }
    }

    /// Keeps that the referrers of images that are at a target are there as well.
    ///
    /// - Parameter reports: one for each image that was moved, in the order of the plan.
    func record(_ plan: Plan, _ reports: [ImageReport]) async {
        guard let memory, fault == nil else { return }
        var digests: [ReferrerWay: [Digest]] = [:]
        func add(_ item: PlanItem) {
            guard item.readsReferrers, !(item.store is any ImageCatalog), let way = item.referrerWay else { return }
            digests[way, default: []].append(item.root.digest)
        }
        for item in plan.items where item.action == .alreadyThere { add(item) }
        for (item, report) in zip(plan.items.filter { $0.action != .alreadyThere }, reports)
        where report.outcome == .done { add(item) }
        for (way, digests) in digests.sorted(by: { ($0.key.source, $0.key.target) < ($1.key.source, $1.key.target) }) {
            do {
                try await memory.record(digests.uniqued(), way, at: now)
            } catch {
                fault = FailureReport(error).message
                return
            }
        }
    }
}

extension ReferrerWay {
    /// - Parameters:
    ///   - source: a repository's name with that of its store.
    ///   - target: the same.
    init(from source: String, to target: String, by rule: SelectionRule) {
        self.init(
            source: source, target: target,
            types: rule.referrerTypes.map(\.description).sorted().joined(separator: ","))
    }
}
