import OCI

/// The images: manifests, children before parents, then the tag.
extension Transfer {
    func finish(_ number: Int, _ items: [PlanItem], _ state: TransferState) async throws {
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
            return try await failed([number], at: item.target, error, state)
        }
        try await noteMovedTag(number, item, state)
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
}
