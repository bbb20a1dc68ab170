import OCI

/// Every blob of a plan once, with who needs it where.
struct BlobJobs: Sendable {
    struct Job: Sendable {
        var blob: Descriptor
        /// Items of the plan that need it, by number.
        var items: [Int]
    }

    var jobs: [Job] = []
    private var numbers: [Digest: Int] = [:]

    /// - Parameter order: the order in which the target wants them; nil for that of the plan.
    init(_ items: [PlanItem], order: [Descriptor]?) {
        for blob in order ?? [] { add(blob) }
        for (number, item) in items.enumerated() {
            for blob in item.graph?.blobs ?? [] { jobs[add(blob)].items.append(number) }
        }
        jobs.removeAll { $0.items.isEmpty }
        numbers = [:]
        for (number, job) in jobs.enumerated() { numbers[job.blob.digest] = number }
    }

    @discardableResult
    private mutating func add(_ blob: Descriptor) -> Int {
        if let number = numbers[blob.digest] { return number }
        numbers[blob.digest] = jobs.count
        jobs.append(Job(blob: blob, items: []))
        return jobs.count - 1
    }

    func job(for digest: Digest) -> Job? { numbers[digest].map { jobs[$0] } }
}
