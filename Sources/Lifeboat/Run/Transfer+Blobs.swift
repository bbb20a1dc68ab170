import OCI

/// The blobs: each once, to all who need it.
extension Transfer {
    func move(_ items: [PlanItem], order: [Descriptor]?, lacking: Set<Digest>?, _ state: TransferState)
        async throws
    {
        let jobs = BlobJobs(items, order: order)
        for item in await state.ready() { try await finish(item, items, state) }
        let sources = items.map(\.store)
        if let sequential = sources.first as? any SequentialSource {
            do {
                try await sequential.forEachBlob { content in
                    guard let job = jobs.job(for: content.descriptor.digest) else { return }
                    try await run(job, items, state, first: content, observe)
                }
            } catch let error as any Failure where error.kind == .damaged {
                // What came before the damage has arrived; the report says both.
                for report in await state.failed(await state.unfinished, error) { observe(.imageEnded(report)) }
                await state.broke(error)
                return
            }
            if let partial = sequential as? any PartialSource {
                // What does not come with the stream: the target has it, or another file of the source.
                try await forEach(jobs.jobs.filter { partial.isElsewhere($0.blob.digest) }, limit: concurrency) { job in
                    try await run(job, items, state, first: nil, observe)
                }
            }
            let missing = LifeboatError(
                .damaged, "\(sequential.name) ended without all of the blobs that the image needs",
                advice: "lifeboat verify \(sequential.name) says what is damaged")
            for report in await state.failed(await state.unfinished, missing) { observe(.imageEnded(report)) }
            return
        }
        @Sendable func isPlanned(_ job: BlobJobs.Job) -> Bool { lacking?.contains(job.blob.digest) ?? true }
        if targets.contains(where: { ($0 as? any PlannedTarget)?.isSequential == true }) {
            for job in jobs.jobs {
                try await run(job, items, state, isPlanned: isPlanned(job), first: nil, observe)
            }
            return
        }
        let order = balanced(jobs.jobs.map(\.blob.size), lanes: concurrency)
        try await forEachJob(order.map { jobs.jobs[$0] }) { job, observe in
            try await run(job, items, state, isPlanned: isPlanned(job), first: nil, observe)
        }
    }

    /// Brings one blob to every repository that needs it, and completes the images that waited for nothing else.
    ///
    /// - Parameters:
    ///   - first: the blob itself, where a source can give it only once.
    ///   - isPlanned: whether the plan counts its bytes.
    private func run(
        _ job: BlobJobs.Job, _ items: [PlanItem], _ state: TransferState, isPlanned: Bool = true, first: Content?,
        _ observe: @escaping RunObserver
    ) async throws {
        let wanted = await state.wanted(job)
        guard !wanted.isEmpty else { return }
        do {
            try permit()
        } catch {
            for report in await state.failed(wanted, error) { observe(.imageEnded(report)) }
            return
        }
        await state.begin(wanted)
        // In the order of the targets: so are the items.
        let numbers = wanted.map { items[$0].target }.uniqued()
        let parts = numbers.map { number in wanted.filter { items[$0].target == number } }
        let copy = BlobCopy(
            blob: job.blob,
            deliveries: zip(numbers, parts).map { number, part in
                BlobCopy.Delivery(target: targets[number], items: part.map { items[$0] })
            }, retry: retry, surroundings: surroundings, observe: observe, isPlanned: isPlanned,
            retried: { await state.retried(wanted) })
        let below = RetryCount()
        let results = await RetryCount.$current.withValue(below) { await copy.run(first: first) }
        await state.retried(wanted, times: below.value)
        for ((number, part), result) in zip(zip(numbers, parts), results) {
            switch result {
            case .success(let result):
                let complete = await state.arrived(job.blob, part, moved: result.moved, trusted: result.isTrusted)
                for item in complete { try await finish(item, items, state) }
            case .failure(let error):
                try await failed(part, at: number, error, state)
            }
        }
    }

    /// Errors that concern one image are kept with it; those of the machine end the work at the target.
    func failed(_ numbers: [Int], at target: Int, _ error: any Error, _ state: TransferState) async throws {
        if error is CancellationError || Task.isCancelled { throw CancellationError() }
        switch FailureKind(of: error) {
        case .local, .internal, .locked: try await end(target, error, state)
        default: for report in await state.failed(numbers, error) { observe(.imageEnded(report)) }
        }
    }
}
