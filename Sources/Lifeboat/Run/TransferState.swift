import OCI

/// What became of each image of a transfer so far, and of each target.
actor TransferState {
    private let items: [PlanItem]
    private var pending: [Int]
    private(set) var reports: [ImageReport]
    private var finished: [Bool]
    private var bytesMoved: Int64 = 0
    private var targets: [Target]
    private var notes: [String] = []
    /// What has been found out about tags of the sources, where several targets ask for them.
    private var tagNotes: [String: TagNote] = [:]
    private var sourceError: (any Error)?
    /// Whether what is written cannot be remembered.
    private(set) var isForgetful = false
    private var began: [ContinuousClock.Instant?]
    private let targetNames: [String]

    /// What a reader should know about a tag of a source; no text if it is where it was.
    struct TagNote: Sendable {
        var text: String?
    }

    private struct Target {
        var outcome = Transfer.TargetOutcome()
        var isComplete = false
    }

    init(_ items: [PlanItem], targets: [String]) {
        self.items = items
        began = items.map { _ in nil }
        targetNames = targets
        self.targets = targets.map { _ in Target() }
        pending = items.map { $0.graph?.blobs.count ?? 0 }
        finished = items.map { _ in false }
        reports = items.map { item in
            var report = ImageReport(
                source: item.sourceName, target: item.targetName, digest: item.root.digest,
                outcome: .failed)
            report.size = item.graph?.size ?? 0
            report.closure = item.graph.map { Closure($0) }
            if case .replace(let old) = item.action { report.replaced = old }
            report.retries = item.retries
            report.notes += item.notes + (item.graph.map(ImageReport.notes) ?? [])
            return report
        }
    }

    var outcome: Transfer.Outcome {
        var outcomes = targets.map(\.outcome)
        for (item, report) in zip(items, reports) {
            switch report.outcome {
            case .done: outcomes[item.target].done += 1
            case .alreadyThere: outcomes[item.target].alreadyThere += 1
            case .failed: outcomes[item.target].failed += 1
            }
        }
        return Transfer.Outcome(
            reports: reports, bytesMoved: bytesMoved, targets: outcomes, sourceError: sourceError, notes: notes)
    }

    func broke(_ error: any Error) {
        sourceError = error
    }

    // MARK: Images

    /// Images that need no blob, or whose last blob has come.
    func ready() -> [Int] {
        pending.indices.filter { pending[$0] == 0 && !finished[$0] && reports[$0].error == nil }
    }

    /// The images that still need a blob.
    func wanted(_ job: BlobJobs.Job) -> [Int] { job.items.filter { reports[$0].error == nil } }

    func moved(among items: [Int]) -> [Int] { items.filter { reports[$0].outcome == .done } }

    /// Work on these begins, if it has not yet.
    func begin(_ items: [Int]) {
        let now = ContinuousClock.now
        for item in items where began[item] == nil { began[item] = now }
    }

    /// Something of these is tried again.
    func retried(_ items: [Int], times: Int = 1) {
        for item in items { reports[item].retries += times }
    }

    private func stopClock(_ item: Int) {
        reports[item].seconds = began[item].map { $0.duration(to: .now).seconds } ?? 0
    }

    private func failure(_ error: any Error, of item: Int) -> FailureReport {
        FailureReport(
            error, among: [targetNames[items[item].target], items[item].store.name],
            attempts: reports[item].retries + 1)
    }

    /// A blob is at a target; returns the images there that are complete with it.
    func arrived(_ blob: Descriptor, _ numbers: [Int], moved: Int64, trusted: Bool) -> [Int] {
        bytesMoved += moved
        if trusted, let first = numbers.first { targets[items[first].target].outcome.bytesTrusted += blob.size }
        var unassigned = moved
        var reached: Set<RepositoryName> = []
        var complete: [Int] = []
        for item in numbers {
            // The first image in each repository that the blob was read for has moved it, the others share it.
            if trusted {
                reports[item].bytesTrusted += blob.size
                reports[item].closure?.trust(blob.digest)
            } else if unassigned > 0, reached.insert(items[item].targetRepository).inserted {
                reports[item].bytesMoved += min(blob.size, unassigned)
                unassigned -= min(blob.size, unassigned)
            } else {
                reports[item].bytesShared += blob.size
            }
            pending[item] -= 1
            if pending[item] == 0, reports[item].error == nil { complete.append(item) }
        }
        return complete
    }

    /// - Returns: the reports of images that had not failed before.
    func failed(_ items: [Int], _ error: any Error) -> [ImageReport] {
        items.filter { reports[$0].error == nil && !finished[$0] }.map { item in
            reports[item].error = failure(error, of: item)
            stopClock(item)
            return reports[item]
        }
    }

    /// Images for which not all has come, though nothing was said to be wrong.
    var unfinished: [Int] { reports.indices.filter { !finished[$0] && reports[$0].error == nil } }

    /// - Parameter takesAsIs: whether an image of which nothing was moved was there already.
    func done(_ item: Int, moved: Int64, takesAsIs: Bool = false) -> ImageReport {
        finished[item] = true
        bytesMoved += moved
        reports[item].bytesMoved += moved
        stopClock(item)
        // Its target may have ended meanwhile.
        if reports[item].error == nil {
            let isThere = takesAsIs && reports[item].bytesMoved == 0 && reports[item].bytesShared == 0
            reports[item].outcome = isThere ? .alreadyThere : .done
        }
        return reports[item]
    }

    func note(_ items: [Int], _ text: String) {
        for item in items { reports[item].notes.append(text) }
    }

    func tagNote(of item: PlanItem) -> TagNote? { tagNotes[item.sourceName] }

    func keep(_ note: TagNote, of item: PlanItem) {
        if targets.count > 1 { tagNotes[item.sourceName] = note }
    }

    /// Nothing more is remembered: who waited for a lock once need not wait for it with every tag.
    func forget(_ note: String) {
        if !isForgetful { notes.append(note) }
        isForgetful = true
    }

    // MARK: Targets

    func hasEnded(_ target: Int) -> Bool { targets[target].outcome.error != nil }

    func isComplete(_ target: Int) -> Bool { targets[target].isComplete }

    /// Whether some target is left with something to do, or done.
    var hasTargets: Bool { targets.contains { $0.outcome.error == nil } }

    func firstError(at target: Int) -> FailureReport? {
        zip(items, reports).first { $0.target == target && $1.error != nil }?.1.error
    }

    func complete(_ target: Int, archive: Digest?) {
        targets[target].isComplete = true
        targets[target].outcome.archive = archive
    }

    /// Nothing more goes to a target.
    ///
    /// - Parameter keepsFinished: whether images that have arrived there stay.
    /// - Returns: the reports of images that had not failed before.
    func end(_ target: Int, _ error: any Error, keepsFinished: Bool) -> [ImageReport] {
        targets[target].outcome.error = error
        return withdraw(target, error, keepsFinished: keepsFinished)
    }

    /// Images that have arrived at a target are lost with it, such as those of an archive that cannot be completed.
    ///
    /// - Parameter keepsFinished: whether those that have arrived stay all the same, as at a registry.
    /// - Returns: the reports of images that had not failed before.
    func withdraw(_ target: Int, _ error: any Error, keepsFinished: Bool = false) -> [ImageReport] {
        items.indices.filter {
            items[$0].target == target && reports[$0].error == nil && !(keepsFinished && finished[$0])
        }.map { item in
            reports[item].error = failure(error, of: item)
            reports[item].outcome = .failed
            return reports[item]
        }
    }
}

extension ImageReport {
    /// What a reader should know about an image that is copied as it is.
    static func notes(_ graph: ImageGraph) -> [String] {
        var notes: [String] = []
        if !graph.foreign.isEmpty {
            let bytes = graph.foreign.reduce(0) { $0 + $1.size }
            notes.append("\(graph.foreign.count) foreign layers (\(bytes) bytes) are recorded, not included")
        }
        if !graph.omitted.isEmpty { notes.append("\(graph.omitted.count) children for other platforms are left out") }
        return notes
    }
}
