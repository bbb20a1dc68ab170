import OCI

/// Makes whole what a target holds in part: reads every byte of an image there, and sends what is missing or damaged.
struct Repair: Sendable {
    let store: any TargetStore
    /// The same store to read from.
    let readable: any SourceStore
    /// Blobs under way at once.
    var concurrency = 6
    let observe: RunObserver

    /// - Parameter item: an image that the target has under its name, with the digest that is wanted.
    func run(_ item: PlanItem) async throws -> ImageReport {
        var report = ImageReport(
            source: item.sourceName, target: item.targetName, digest: item.root.digest, outcome: .alreadyThere)
        do {
            try await repair(item, &report)
        } catch let error as any Failure where error.kind != .internal && error.kind != .local {
            report.outcome = .failed
            report.error = FailureReport(error, among: [store.name, item.store.name])
        }
        return report
    }

    private func repair(_ item: PlanItem, _ report: inout ImageReport) async throws {
        let present = try await readable.source(item.targetRepository)
        var check = ImageCheck(source: present, followsReferrers: false, concurrency: concurrency)
        check.moved = { [observe] in observe(.moved(bytes: $0)) }
        let found = try await check.run(item.root)
        report.size = found.bytes
        guard !found.findings.isEmpty else {
            report.notes.append("every byte of it was read at the target")
            return
        }
        report.parts = found.findings
        let source = try await item.store.source(item.source.repository)
        let target = try await store.target(item.targetRepository)
        let graph = try await ImageGraph.read(item.root, referrers: false, from: source)
        let broken = Set(found.findings.map(\.digest))
        let sound = Set(found.blobs.map(\.digest)).subtracting(broken)
        var sent: [Descriptor] = []
        for blob in graph.blobs where !sound.contains(blob.digest) {
            // What it has sent damaged it would go on saying it holds.
            if !broken.contains(blob.digest), try await target.contains(blob) { continue }
            try await source.read(blob) { [observe] content in
                try await target.write(content.observed { observe(.moved(bytes: $0)) })
            }
            sent.append(blob)
            report.bytesMoved += blob.size
        }
        let known = Set(found.manifests.map(\.descriptor.digest))
        for descriptor in graph.manifests
        where !known.contains(descriptor.digest) || descriptor.digest == item.root.digest {
            let isRoot = descriptor.digest == item.root.digest
            try await target.push(
                try await source.manifest(descriptor), tags: isRoot ? item.targetTag.map { [$0] } ?? [] : [])
            report.bytesMoved += descriptor.size
        }
        try await confirm(item, check)
        report.outcome = .done
        report.notes.append(
            "\(sent.count == 1 ? "1 blob" : "\(sent.count) blobs") and \(graph.manifests.count { !known.contains($0.digest) }) manifests were missing or damaged and were sent again"
        )
    }

    /// A registry may keep the old bytes of a digest that it knows, whatever it is sent.
    private func confirm(_ item: PlanItem, _ check: ImageCheck) async throws {
        let left = try await check.run(item.root).findings
        guard let first = left.first else { return }
        throw LifeboatError(
            first.kind == .notFound ? .conflict : .damaged,
            "\(item.targetName) is not whole after what it lacked was sent again: \(first.message)",
            advice: "the registry keeps what it has: delete the image there, have it collect garbage, and import again")
    }
}
