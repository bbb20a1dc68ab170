import OCI

/// The targets: what they are told before the first blob, and how they end.
extension Transfer {
    /// Tells archives what will come.
    ///
    /// - Returns: the order in which they want blobs.
    func begin(_ items: [PlanItem], _ state: TransferState) async throws -> [Descriptor]? {
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

    func complete(_ number: Int, _ items: [PlanItem], _ failures: [PlanFailure], _ state: TransferState)
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
    func keepWhatIsComplete(_ items: [PlanItem], _ failures: [PlanFailure], _ state: TransferState) async {
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
    func end(_ number: Int, _ error: any Error, _ state: TransferState) async throws {
        if error is CancellationError || Task.isCancelled { throw CancellationError() }
        guard await !state.hasEnded(number) else { return }
        // Tags of a registry stand where they were put; a file gets its name at the end or not at all.
        let isAllOrNothing = targets[number] is any PlannedTarget || targets[number] is any BatchedTarget
        let reports = await state.end(number, error, keepsFinished: !isAllOrNothing)
        guard await state.hasTargets else { throw error }
        for report in reports { observe(.imageEnded(report)) }
        await abort(number)
    }

    func abort(_ number: Int) async {
        if let planned = targets[number] as? any PlannedTarget { await planned.abort() }
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
