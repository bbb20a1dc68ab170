import NIOCore
import OCI

/// Moves what a plan says: each unique blob once, in order, then the manifests of every image that is complete.
///
/// Blobs come before manifests, children before parents, tags last: nothing is named before all of it is there.
struct Transfer: Sendable {
    let target: any TargetStore
    let spool: ManifestSpool
    let surroundings: Surroundings
    var retry = RetryPolicy()
    /// Blobs under way at once.
    var concurrency = 6
    var observe: RunObserver = { _ in }
    /// Throws where no further blob may be started, such as outside of a window.
    var permit: @Sendable () throws -> Void = {}

    struct Outcome: Sendable {
        var reports: [ImageReport]
        var bytesMoved: Int64
        var bytesTrusted: Int64
        /// The id of the archive that was written, or found complete.
        var archive: Digest?
    }

    /// - Throws: only what ends the whole transfer, such as a target that cannot be completed. What concerns an image
    ///   stands in its report.
    func run(_ plan: Plan) async throws -> Outcome {
        let items = plan.items.filter { $0.action != .alreadyThere }
        let state = TransferState(items, target: target.name)
        var archive: Digest?
        if let planned = target as? any PlannedTarget {
            archive = try await runPlanned(items, planned, state)
        } else {
            try await move(items, order: nil, state)
            if let batched = target as? any BatchedTarget { try await batched.flush() }
        }
        try await noteMovedTags(items, state)
        return Outcome(
            reports: await state.reports, bytesMoved: await state.bytesMoved, bytesTrusted: await state.bytesTrusted,
            archive: archive)
    }

    /// - Returns: what identifies the store that was written; nil if it could not be completed.
    private func runPlanned(_ items: [PlanItem], _ planned: any PlannedTarget, _ state: TransferState) async throws
        -> Digest?
    {
        let images = items.compactMap { item in
            item.graph.map { graph in
                var image = item.source
                image.repository = item.targetRepository
                image.tag = item.targetTag
                image.descriptor = graph.root
                return PlannedImage(image, graph: graph)
            }
        }
        let spool = spool
        let order = try await planned.begin(images) { try await spool.manifest($0) }
        do {
            try await move(items, order: order, state)
            // An archive is all of its plan or nothing: it does not get its name with an image missing.
            if let failure = await state.reports.compactMap(\.error).first {
                await planned.abort()
                for report in await state.failed(
                    Array(items.indices), IncompleteArchive(name: target.name, cause: failure))
                {
                    observe(.imageEnded(report))
                }
                return nil
            }
            return try await planned.commit()
        } catch {
            await planned.abort()
            throw error
        }
    }

    private func move(_ items: [PlanItem], order: [Descriptor]?, _ state: TransferState) async throws {
        let jobs = BlobJobs(items, order: order)
        for item in await state.ready() { try await finish(item, items, state) }
        let sources = items.map(\.store)
        if let sequential = sources.first as? any SequentialSource {
            try await sequential.forEachBlob { content in
                guard let job = jobs.job(for: content.descriptor.digest) else { return }
                try await run(job, items, state, first: content)
            }
            return
        }
        let limit = (target as? any PlannedTarget)?.isSequential == true ? 1 : concurrency
        try await forEach(jobs.jobs, limit: limit) { job in
            try await run(job, items, state, first: nil)
        }
    }

    /// Brings one blob to every repository that needs it, and completes the images that waited for nothing else.
    ///
    /// - Parameter first: the blob itself, where a source can give it only once.
    private func run(_ job: BlobJobs.Job, _ items: [PlanItem], _ state: TransferState, first: Content?) async throws {
        guard await state.isWanted(job) else { return }
        var complete: [Int] = []
        do {
            try permit()
            let copy = BlobCopy(
                blob: job.blob, items: job.items.map { items[$0] }, target: target, retry: retry,
                surroundings: surroundings, observe: observe)
            let result = try await copy.run(first: first)
            complete = await state.arrived(job, moved: result.moved, trusted: result.isTrusted)
        } catch {
            try rethrowIfFinal(error)
            for report in await state.failed(job.items, error) { observe(.imageEnded(report)) }
        }
        for item in complete { try await finish(item, items, state) }
    }

    /// Errors that concern one image are kept with it; these end everything.
    private func rethrowIfFinal(_ error: any Error) throws {
        if error is CancellationError || Task.isCancelled { throw CancellationError() }
        switch FailureKind(of: error) {
        case .local, .internal, .locked: throw error
        default: break
        }
    }

    // MARK: Manifests and tags

    private func finish(_ number: Int, _ items: [PlanItem], _ state: TransferState) async throws {
        let item = items[number]
        do {
            let moved = try await push(item)
            observe(.imageEnded(await state.done(number, moved: moved)))
        } catch {
            try rethrowIfFinal(error)
            for report in await state.failed([number], error) { observe(.imageEnded(report)) }
        }
    }

    /// - Returns: bytes of manifests that were sent.
    private func push(_ item: PlanItem) async throws -> Int64 {
        guard let graph = item.graph else { return 0 }
        let repository = try await target.target(item.targetRepository)
        var attempt = 1
        while true {
            do {
                return try await push(graph, tag: item.targetTag, to: repository)
            } catch let error as MissingChildren where attempt < 3 {
                // The target promised content that it does not hold: ask again for all of it, send what is missing.
                observe(.note("\(error.description); sending again what is missing"))
                attempt += 1
                for blob in graph.blobs {
                    let copy = BlobCopy(
                        blob: blob, items: [item], target: target, retry: retry, surroundings: surroundings,
                        observe: observe)
                    _ = try await copy.run(first: nil)
                }
            }
        }
    }

    private func push(_ graph: ImageGraph, tag: Tag?, to repository: any ImageTarget) async throws -> Int64 {
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
        try await forEach(Array(items.enumerated()), limit: concurrency) { number, item in
            guard let tag = item.source.tag, !(item.store is any ImageCatalog), await !state.isFailed(number) else {
                return
            }
            do {
                let now = try await item.store.source(item.source.repository).resolve(.tag(tag))
                if now.digest != item.source.descriptor.digest {
                    await state.note(number, "the source tag moved to \(now.digest) during the run")
                }
            } catch let error as any Failure {
                await state.note(number, "the source tag could not be read again: \(error.description)")
            }
        }
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
