import OCI

/// What became of each image of a transfer so far.
actor TransferState {
    private var pending: [Int]
    private(set) var reports: [ImageReport]
    private var finished: [Bool]
    private(set) var bytesMoved: Int64 = 0
    /// Bytes of blobs that were not sent, each once, because the target said that it held them.
    private(set) var bytesTrusted: Int64 = 0
    private var began: [ContinuousClock.Instant?]
    private let repositories: [RepositoryName]
    /// Names of the stores that each item moves between.
    private let stores: [[String]]

    init(_ items: [PlanItem], target: String) {
        began = items.map { _ in nil }
        repositories = items.map(\.targetRepository)
        stores = items.map { [target, $0.store.name] }
        pending = items.map { $0.graph?.blobs.count ?? 0 }
        finished = items.map { _ in false }
        reports = items.map { item in
            var report = ImageReport(
                source: item.sourceName, target: item.targetName(in: target), digest: item.root.digest, outcome: .failed
            )
            report.size = item.graph?.size ?? 0
            if case .replace(let old) = item.action { report.replaced = old }
            report.notes += item.graph.map(ImageReport.notes) ?? []
            return report
        }
    }

    /// Images that need no blob, or whose last blob has come.
    func ready() -> [Int] {
        pending.indices.filter { pending[$0] == 0 && !finished[$0] && reports[$0].error == nil }
    }

    func isWanted(_ job: BlobJobs.Job) -> Bool { job.items.contains { reports[$0].error == nil } }

    func isFailed(_ item: Int) -> Bool { reports[item].error != nil }

    /// Work on these begins, if it has not yet.
    func begin(_ items: [Int]) {
        let now = ContinuousClock.now
        for item in items where began[item] == nil { began[item] = now }
    }

    /// Something of these is tried again.
    func retried(_ items: [Int]) {
        for item in items { reports[item].retries += 1 }
    }

    private func end(_ item: Int) {
        reports[item].seconds = began[item].map { $0.duration(to: .now).seconds } ?? 0
    }

    /// A blob is at the target; returns the images that are complete with it.
    func arrived(_ job: BlobJobs.Job, moved: Int64, trusted: Bool) -> [Int] {
        bytesMoved += moved
        if trusted { bytesTrusted += job.blob.size }
        var unassigned = moved
        var reached: Set<RepositoryName> = []
        var complete: [Int] = []
        for item in job.items {
            // The first image in each repository that the blob was sent to has moved it, the others share it.
            if trusted {
                reports[item].bytesTrusted += job.blob.size
            } else if unassigned > 0, reached.insert(repositories[item]).inserted {
                reports[item].bytesMoved += min(job.blob.size, unassigned)
                unassigned -= min(job.blob.size, unassigned)
            } else {
                reports[item].bytesShared += job.blob.size
            }
            pending[item] -= 1
            if pending[item] == 0, reports[item].error == nil { complete.append(item) }
        }
        return complete
    }

    /// - Returns: the reports of images that had not failed before.
    func failed(_ items: [Int], _ error: any Error) -> [ImageReport] {
        items.filter { reports[$0].error == nil && !finished[$0] }.map { item in
            reports[item].error = FailureReport(
                error, among: stores[item], attempts: reports[item].retries + 1)
            end(item)
            return reports[item]
        }
    }

    func done(_ item: Int, moved: Int64) -> ImageReport {
        finished[item] = true
        bytesMoved += moved
        reports[item].bytesMoved += moved
        reports[item].outcome = .done
        end(item)
        return reports[item]
    }

    func note(_ item: Int, _ text: String) {
        reports[item].notes.append(text)
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
