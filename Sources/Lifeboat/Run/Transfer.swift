import NIOCore
import OCI

/// Moves what a plan says: each unique blob once, in order, then the manifests of every image that is complete.
///
/// Blobs come before manifests, children before parents, tags last: nothing is named before all of it is there.
struct Transfer: Sendable {
    /// What the numbers of the plan's items count.
    let targets: [any TargetStore]
    let spool: ManifestSpool
    let surroundings: Surroundings
    var retry = RetryPolicy()
    /// Blobs under way at once.
    var concurrency = 6
    /// Is told of every tag that was written; nil where nobody needs to know.
    var written: (any WrittenTags)?
    var runID = ""
    var observe: RunObserver = { _ in }
    /// Throws where no further blob may be started, such as outside of a window.
    var permit: @Sendable () throws -> Void = {}

    struct Outcome: Sendable {
        var reports: [ImageReport]
        var bytesMoved: Int64
        /// One a target, in order.
        var targets: [TargetOutcome]
        /// What is wrong with a source as a whole, whatever images could be read from it.
        var sourceError: (any Error)?
        var notes: [String]
    }

    struct TargetOutcome: Sendable {
        /// Images that arrived, and those that did not.
        var done = 0
        /// Of which nothing had to be moved, at a target that says so only then.
        var alreadyThere = 0
        var failed = 0
        var bytesTrusted: Int64 = 0
        /// The id of the archive that was written, or found complete.
        var archive: Digest?
        /// What ended the work at this target, while it went on at others.
        var error: (any Error)?
    }

    /// - Throws: only what ends the whole transfer: no target is left that can be completed. What concerns an image
    ///   stands in its report.
    func run(_ plan: Plan) async throws -> Outcome {
        let items = plan.items.filter { $0.action != .alreadyThere }
        let state = TransferState(items, targets: targets.map(\.name))
        do {
            let order = try await begin(items, state)
            try await move(items, order: order, lacking: plan.lacking, state)
            for number in targets.indices { try await complete(number, items, plan.failures, state) }
        } catch {
            if error is CancellationError || Task.isCancelled {
                await keepWhatIsComplete(items, plan.failures, state)
            }
            // What is under its name by now stays; to end it is to do nothing.
            for number in targets.indices where await !state.isComplete(number) { await abort(number) }
            throw error
        }
        try await noteMovedTags(items, state)
        return await state.outcome
    }

    // MARK: Targets

    /// Tells archives what will come.
    ///
    /// - Returns: the order in which they want blobs.
    private func begin(_ items: [PlanItem], _ state: TransferState) async throws -> [Descriptor]? {
        var order: [Descriptor]?
        for (number, target) in targets.enumerated() {
            guard let planned = target as? any PlannedTarget else { continue }
            let images = items.filter { $0.target == number }.compactMap(PlannedImage.init)
            if images.isEmpty {
                await state.complete(number, archive: nil)
                continue
            }
            do {
                let wanted = try await planned.begin(images) { [spool] in try await spool.manifest($0) }
                if let order, planned.isSequential, !wanted.isEmpty, wanted != order {
                    throw LifeboatError(
                        .usage, "\(target.name) wants another order than the other targets of the step",
                        advice: "export to it in a step of its own")
                }
                if order?.isEmpty ?? true { order = wanted }
            } catch {
                try await end(number, error, state)
            }
        }
        return order
    }

    private func complete(_ number: Int, _ items: [PlanItem], _ failures: [PlanFailure], _ state: TransferState)
        async throws
    {
        guard await !state.hasEnded(number), await !state.isComplete(number) else { return }
        do {
            var archive: Digest?
            if let partial = targets[number] as? any PartialTarget {
                archive = try await commit(partial, number, items, failures, state)
            } else if let planned = targets[number] as? any PlannedTarget {
                // An archive is all of its plan or nothing: it does not get its name with an image missing.
                if let failure = await state.firstError(at: number) {
                    await planned.abort()
                    let incomplete = IncompleteArchive(name: planned.name, cause: failure)
                    for report in await state.withdraw(number, incomplete) { observe(.imageEnded(report)) }
                } else {
                    archive = try await planned.commit()
                }
            } else if let batched = targets[number] as? any BatchedTarget {
                try await batched.flush()
            }
            await state.complete(number, archive: archive)
        } catch {
            try await end(number, error, state)
        }
    }

    /// Completes a target with the images that have come whole; nil if there are none.
    private func commit(
        _ partial: any PartialTarget, _ number: Int, _ items: [PlanItem], _ failures: [PlanFailure],
        _ state: TransferState
    ) async throws -> Digest? {
        let reports = await state.reports
        var images: [PlannedImage] = []
        var missing: [MissingImage] = []
        for failure in failures where failure.targetNumber == nil || failure.targetNumber == number {
            missing.append(MissingImage(name: failure.name, FailureReport(failure.error)))
        }
        for (item, report) in zip(items, reports) where item.target == number {
            if report.outcome != .failed, let image = PlannedImage(item) {
                images.append(image)
            } else {
                missing.append(
                    report.error.map { MissingImage(name: item.sourceName, $0) }
                        ?? MissingImage(
                            name: item.sourceName, kind: .unavailable, message: "the run was stopped before it came"))
            }
        }
        guard !images.isEmpty else {
            await partial.abort()
            return nil
        }
        return try await partial.commit(images, missing: missing)
    }

    /// What a run that is stopped leaves in targets that can be completed without the rest.
    private func keepWhatIsComplete(_ items: [PlanItem], _ failures: [PlanFailure], _ state: TransferState) async {
        for (number, target) in targets.enumerated() {
            guard let partial = target as? any PartialTarget, await !state.hasEnded(number),
                await !state.isComplete(number)
            else { continue }
            // Unstructured, since what is stopped could do nothing any more.
            await Task { [self] in
                do {
                    guard let id = try await commit(partial, number, items, failures, state) else { return }
                    await state.complete(number, archive: id)
                    observe(.note("\(partial.name) keeps what has come as incomplete backup \(id.short)"))
                } catch {
                    observe(.note("\(partial.name) has no backup of what has come: \(FailureReport(error).message)"))
                }
            }.value
        }
    }

    /// Goes on without one target; the last one that ends, ends the transfer.
    private func end(_ number: Int, _ error: any Error, _ state: TransferState) async throws {
        if error is CancellationError || Task.isCancelled { throw CancellationError() }
        guard await !state.hasEnded(number) else { return }
        // Tags of a registry stand where they were put; a file gets its name at the end or not at all.
        let isAllOrNothing = targets[number] is any PlannedTarget || targets[number] is any BatchedTarget
        let reports = await state.end(number, error, keepsFinished: !isAllOrNothing)
        guard await state.hasTargets else { throw error }
        for report in reports { observe(.imageEnded(report)) }
        await abort(number)
    }

    private func abort(_ number: Int) async {
        if let planned = targets[number] as? any PlannedTarget { await planned.abort() }
    }

    // MARK: Blobs

    private func move(_ items: [PlanItem], order: [Descriptor]?, lacking: Set<Digest>?, _ state: TransferState)
        async throws
    {
        let jobs = BlobJobs(items, order: order)
        for item in await state.ready() { try await finish(item, items, state) }
        let sources = items.map(\.store)
        if let sequential = sources.first as? any SequentialSource {
            do {
                try await sequential.forEachBlob { content in
                    guard let job = jobs.job(for: content.descriptor.digest) else { return }
                    try await run(job, items, state, first: content)
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
                    try await run(job, items, state, first: nil)
                }
            }
            let missing = LifeboatError(
                .damaged, "\(sequential.name) ended without all of the blobs that the image needs",
                advice: "lifeboat verify \(sequential.name) says what is damaged")
            for report in await state.failed(await state.unfinished, missing) { observe(.imageEnded(report)) }
            return
        }
        let isSequential = targets.contains { ($0 as? any PlannedTarget)?.isSequential == true }
        try await forEach(jobs.jobs, limit: isSequential ? 1 : concurrency) { job in
            try await run(
                job, items, state, isPlanned: lacking?.contains(job.blob.digest) ?? true, first: nil)
        }
    }

    /// Brings one blob to every repository that needs it, and completes the images that waited for nothing else.
    ///
    /// - Parameters:
    ///   - first: the blob itself, where a source can give it only once.
    ///   - isPlanned: whether the plan counts its bytes.
    private func run(
        _ job: BlobJobs.Job, _ items: [PlanItem], _ state: TransferState, isPlanned: Bool = true, first: Content?
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
    private func failed(_ numbers: [Int], at target: Int, _ error: any Error, _ state: TransferState) async throws {
        if error is CancellationError || Task.isCancelled { throw CancellationError() }
        switch FailureKind(of: error) {
        case .local, .internal, .locked: try await end(target, error, state)
        default: for report in await state.failed(numbers, error) { observe(.imageEnded(report)) }
        }
    }

    // MARK: Manifests and tags

    private func finish(_ number: Int, _ items: [PlanItem], _ state: TransferState) async throws {
        let item = items[number]
        await state.begin([number])
        let below = RetryCount()
        do {
            await remember(item, state) { try await $0.begin($1) }
            let moved = try await RetryCount.$current.withValue(below) {
                try await push(item) { await state.retried([number]) }
            }
            await state.retried([number], times: below.value)
            await remember(item, state) { try await $0.record($1) }
            observe(
                .imageEnded(
                    await state.done(number, moved: moved, takesAsIs: targets[item.target] is any PartialTarget)))
        } catch {
            await state.retried([number], times: below.value)
            try await failed([number], at: item.target, error, state)
        }
    }

    /// A tag that is written but cannot be remembered is written all the same.
    private func remember(
        _ item: PlanItem, _ state: TransferState,
        _ note: (any WrittenTags, WrittenTag) async throws -> Void
    ) async {
        guard let written, let tag = item.targetTag, !tag.listsReferrers, await !state.isForgetful else { return }
        do {
            try await note(
                written,
                WrittenTag(
                    registry: targets[item.target].name, repository: item.targetRepository, tag: tag,
                    digest: item.root.digest, time: surroundings.now(), run: runID))
        } catch {
            let failure = FailureReport(error)
            await state.forget(
                "what was written is not remembered for 'overwrite: ours': \(failure.message)"
                    + (failure.advice.map { "; try: " + $0 } ?? ""))
        }
    }

    /// - Returns: bytes of manifests that were sent.
    private func push(_ item: PlanItem, retried: @escaping @Sendable () async -> Void) async throws -> Int64 {
        guard let graph = item.graph else { return 0 }
        let repository = try await targets[item.target].target(item.targetRepository)
        if case .replace(let old) = item.action, item.overwrite == .ours, let tag = item.targetTag,
            let present = try await repository.find(.tag(tag)), present.digest != old,
            present.digest != item.root.digest
        {
            throw LifeboatError(
                .conflict,
                "\(item.targetName) points to \(present.digest), want \(item.root.digest); somebody has moved it from "
                    + "\(old) during the run",
                advice: "run it again to see what is there now; nothing was changed")
        }
        var attempt = 1
        while true {
            do {
                return try await push(
                    graph, tag: item.targetTag, to: repository,
                    lacking: targets[item.target] is any PartialTarget)
            } catch let error as MissingChildren where attempt < 3 {
                // The target promised content that it does not hold: ask again for all of it, send what is missing.
                observe(.note("\(error.description); sending again what is missing"))
                await retried()
                attempt += 1
                for blob in graph.blobs {
                    var copy = BlobCopy(
                        blob: blob, deliveries: [.init(target: targets[item.target], items: [item])], retry: retry,
                        surroundings: surroundings, observe: observe, retried: retried)
                    // What it says it holds is no longer worth anything for what it says it lacks (R31).
                    copy.isTargetTrusted =
                        error.children.isEmpty ? attempt < 3 : !error.children.contains(blob.digest)
                    _ = try await copy.run(first: nil).map { try $0.get() }
                }
            }
        }
    }

    /// - Parameter lacking: whether only the manifests are sent that the target lacks.
    private func push(
        _ graph: ImageGraph, tag: Tag?, to repository: any ImageTarget, lacking: Bool
    ) async throws -> Int64 {
        var sent: Int64 = 0
        let tagging = repository as? any ReferrersTagging
        var tags = tag.map { [$0] } ?? []
        if let name = tags.first, name.listsReferrers, let tagging, let present = try await repository.find(.tag(name)),
            present.digest != graph.root.digest
        {
            // The target has a list of its own under this name: add our entries to it instead of replacing it.
            if case .index(let entries) = try await spool.manifest(graph.root.digest).kind {
                for descriptor in graph.manifests.dropLast() {
                    try await repository.push(try await spool.manifest(descriptor.digest), tags: [])
                }
                if let subject = try await subject(of: entries) { try await tagging.list(entries, of: subject) }
                return sent
            }
            tags = []
        }
        for descriptor in graph.manifests {
            if lacking, try await repository.contains(descriptor) { continue }
            let manifest = try await spool.manifest(descriptor.digest)
            try await repository.push(manifest, tags: descriptor.digest == graph.root.digest ? tags : [])
            sent += descriptor.size
        }
        if let tagging {
            for (subject, referrers) in graph.referrers.sorted(by: { $0.key < $1.key }) {
                try await tagging.list(referrers, of: subject)
            }
        }
        return sent
    }

    private func subject(of referrers: [Descriptor]) async throws -> Digest? {
        for referrer in referrers {
            if let subject = try await spool.find(referrer.digest)?.subject { return subject.digest }
        }
        return nil
    }

    /// A tag that was moved at the source meanwhile: what was pinned is kept, and the report says so.
    private func noteMovedTags(_ items: [PlanItem], _ state: TransferState) async throws {
        // One request an image, whatever the number of targets.
        let images = Dictionary(grouping: items.indices) { items[$0].sourceName }
        try await forEach(images.values, limit: concurrency) { numbers in
            let item = items[numbers[0]]
            guard let tag = item.source.tag, !(item.store is any ImageCatalog) else { return }
            // What was there as it was has not been read, so that nothing can have moved under the reading.
            let arrived = await state.moved(among: numbers)
            if arrived.isEmpty { return }
            do {
                let now = try await item.store.source(item.source.repository).resolve(.tag(tag))
                if now.digest != item.source.descriptor.digest {
                    await state.note(arrived, "the source tag moved to \(now.digest) during the run")
                }
            } catch let error as any Failure {
                await state.note(arrived, "the source tag could not be read again: \(error.description)")
            }
        }
    }
}

extension PlannedImage {
    init?(_ item: PlanItem) {
        guard let graph = item.graph else { return nil }
        var image = item.source
        image.repository = item.targetRepository
        image.tag = item.targetTag
        image.descriptor = graph.root
        self.init(image, graph: graph)
    }
}

/// Why images of an archive failed that had nothing wrong themselves.
struct IncompleteArchive: Failure {
    let name: String
    let cause: FailureReport

    var kind: FailureKind { cause.kind }
    var advice: String? { "what has arrived is kept beside it: run it again, and it goes on from there" }
    var description: String { "\(name) was not completed, since another of its images failed: \(cause.message)" }
}
