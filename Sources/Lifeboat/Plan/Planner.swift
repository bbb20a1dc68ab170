import OCI
import OCIArchive

/// Makes a plan: finds the images, names them at the target, looks what is there, reads every manifest.
///
/// Writes nothing anywhere.
public struct Planner: Sendable {
    /// Images of one store that a step takes.
    public struct Source: Sendable {
        public var store: any SourceStore
        public var selection: Selection

        public init(store: any SourceStore, selection: Selection) {
            self.store = store
            self.selection = selection
        }
    }

    /// Where images go, and by which rules.
    public struct Target: Sendable {
        public var store: any TargetStore
        public var naming: Naming
        public var overwrite: Overwrite

        public init(store: any TargetStore, naming: Naming, overwrite: Overwrite) {
            self.store = store
            self.naming = naming
            self.overwrite = overwrite
        }
    }

    public let targets: [Target]
    public let spool: ManifestSpool
    /// What `overwrite: ours` asks.
    public var written: (any WrittenTags)?
    public var concurrency = 16
    let graphs = GraphShelf()
    let present: TargetTags
    /// Where each target may have what deltas leave to their bases.
    let baseHolders: [BaseHolders?]
    /// How messages call the targets, in their order: one text for all images.
    let targetNames: [String]
    /// What holds listings against backups that are there.
    var guards: [BackupGuard] = []
    /// Whose referrers are looked up although the image is at the target.
    var rotation: ReferrerRotation?
    /// Names of the images that are planned, as reports call them; nil for all.
    public var only: Set<String>?

    public init(targets: [Target], spool: ManifestSpool) {
        self.targets = targets
        self.spool = spool
        present = TargetTags(targets)
        baseHolders = targets.map { BaseHolders(at: $0.store) }
        targetNames = targets.map(\.store.name)
    }

    public init(target: any TargetStore, naming: Naming, overwrite: Overwrite, spool: ManifestSpool) {
        self.init(targets: [Target(store: target, naming: naming, overwrite: overwrite)], spool: spool)
    }

    /// An image that a source has, before anybody asked what a target has of it.
    struct Candidate: Sendable {
        var selected: Selector.Selected
        var store: any SourceStore

        var image: NamedImage { selected.image }
        var name: String { store.name + "/" + image.name }
    }

    /// The images of all sources, at every target: target by target, each in the order of the sources.
    public func plan(_ sources: [Source]) async throws -> Plan {
        var plan = Plan()
        let images = try await select(from: sources, &plan)
        let names = try targets.map { try TargetNames(of: images, at: $0) }
        await learnBases(images, names)
        plan.items = try await items(for: images, names, &plan.failures)
        if targets.count == 1, let target = targets[0].store as? any PartialTarget {
            plan.lacking = try await lacking(plan.items, at: target)
        }
        try await findHolders(&plan.items)
        for guarding in guards { try await guarding.judge(&plan, of: sources) }
        return plan
    }

    private func select(from sources: [Source], _ plan: inout Plan) async throws -> [Candidate] {
        let outcomes = try await map(sources, limit: concurrency) { source in
            var selector = Selector(store: source.store, concurrency: concurrency, spool: spool)
            selector.pinning = Pinning(store: source.store, spool: spool, targets: targets, present: present)
            return try await selector.select(source.selection)
        }
        var images: [Candidate] = []
        for (source, selected) in zip(sources, outcomes) {
            var outcome = selected
            for guarding in guards { outcome = try await guarding.review(outcome, of: source) }
            plan.notes += outcome.notes
            plan.failures += outcome.failures.map { PlanFailure(name: $0.name, error: $0.error) }
            images += outcome.selected.map { Candidate(selected: $0, store: source.store) }
        }
        guard let only else {
            plan.notes += targets.flatMap { $0.naming.unused(by: images.map(\.image)) }.uniqued()
            return images
        }
        // Of what is repeated the names are those of the run before.
        plan.failures.removeAll { !only.contains($0.name) }
        return images.filter { only.contains($0.name) }
    }

    private func items(
        for images: [Candidate], _ names: [TargetNames], _ failures: inout [PlanFailure]
    ) async throws -> [PlanItem] {
        var items = [[PlanItem]](repeating: [], count: targets.count)
        for number in targets.indices { items[number].reserveCapacity(images.count) }
        try await forEachResult(of: images.indices, limit: concurrency) { number in
            try await self.items(for: images[number], names.map { $0[number] })
        } take: { planned in
            failures += planned.failures
            for item in planned.items { items[item.target].append(item) }
        }
        return items.dropFirst().reduce(into: items[0]) { $0 += $1 }
    }

    /// What the target does not hold of all that the images are made of.
    private func lacking(_ items: [PlanItem], at target: any PartialTarget) async throws -> Set<Digest> {
        var seen: Set<Digest> = []
        var wanted: [Descriptor] = []
        for case let graph? in items.map(\.graph) {
            for descriptor in graph.manifests + graph.blobs where seen.insert(descriptor.digest).inserted {
                wanted.append(descriptor)
            }
        }
        let held = try await map(wanted, limit: concurrency) { try await target.holds($0) }
        return Set(zip(wanted, held).filter { !$0.1 }.map(\.0.digest))
    }
}
