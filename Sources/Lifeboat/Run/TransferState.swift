import OCI

/// What became of each image of a transfer so far.
actor TransferState {
    private var pending: [Int]
    private(set) var reports: [ImageReport]
    private var finished: [Bool]
    private(set) var bytesMoved: Int64 = 0
    /// Bytes of blobs that were not sent, each once, because the target said that it held them.
    private(set) var bytesTrusted: Int64 = 0

    init(_ items: [PlanItem], target: String) {
        pending = items.map { $0.graph?.blobs.count ?? 0 }
        finished = items.map { _ in false }
        reports = items.map { item in
            var report = ImageReport(
                source: item.sourceName, target: item.targetName(in: target), digest: item.root.digest, outcome: .failed
            )
            report.size = item.graph?.size ?? 0
            if case .replace(let old) = item.action { report.replaced = old }
            report.notes += item.notes + (item.graph.map(ImageReport.notes) ?? [])
            return report
        }
    }

    /// Images that need no blob, or whose last blob has come.
    func ready() -> [Int] {
        pending.indices.filter { pending[$0] == 0 && !finished[$0] && reports[$0].error == nil }
    }

    func isWanted(_ job: BlobJobs.Job) -> Bool { job.items.contains { reports[$0].error == nil } }

    func isFailed(_ item: Int) -> Bool { reports[item].error != nil }

    /// A blob is at the target; returns the images that are complete with it.
    func arrived(_ job: BlobJobs.Job, moved: Int64, trusted: Bool) -> [Int] {
        bytesMoved += moved
        if trusted { bytesTrusted += job.blob.size }
        if let first = job.items.first { reports[first].bytesMoved += moved }
        var complete: [Int] = []
        for item in job.items {
            if trusted { reports[item].bytesTrusted += job.blob.size }
            pending[item] -= 1
            if pending[item] == 0, reports[item].error == nil { complete.append(item) }
        }
        return complete
    }

    /// - Returns: the reports of images that had not failed before.
    func failed(_ items: [Int], _ error: any Error) -> [ImageReport] {
        items.filter { reports[$0].error == nil && !finished[$0] }.map { item in
            reports[item].error = FailureReport(error)
            return reports[item]
        }
    }

    func done(_ item: Int, moved: Int64) -> ImageReport {
        finished[item] = true
        bytesMoved += moved
        reports[item].bytesMoved += moved
        reports[item].outcome = item < reports.count ? .done : .failed
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
