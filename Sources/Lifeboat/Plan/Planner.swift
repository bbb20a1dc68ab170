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
    private let graphs = GraphShelf()
    private let present: TargetTags
    /// Where each target may have what deltas leave to their bases.
    let baseHolders: [BaseHolders?]
    /// How messages call the targets, in their order: one text for all images.
    private let targetNames: [String]
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

    /// The images of all sources, at every target: target by target, each in the order of the sources.
    public func plan(_ sources: [Source]) async throws -> Plan {
        var plan = Plan()
        var images: [Candidate] = []
        for source in sources {
            var selector = Selector(store: source.store, concurrency: concurrency, spool: spool)
            selector.pinning = Pinning(store: source.store, spool: spool, targets: targets, present: present)
            var outcome = try await selector.select(source.selection)
            for guarding in guards { outcome = try await guarding.review(outcome, of: source) }
            plan.notes += outcome.notes
            plan.failures += outcome.failures.map { PlanFailure(name: $0.name, error: $0.error) }
            images += outcome.selected.map { Candidate(selected: $0, store: source.store) }
        }
        if let only {
            images.removeAll { !only.contains($0.name) }
            plan.failures.removeAll { !only.contains($0.name) }
        }
        // Of what is repeated the names are those of the run before.
        if only == nil { plan.notes += targets.flatMap { $0.naming.unused(by: images.map(\.image)) }.uniqued() }
        let names = try targets.map { try self.names(of: images, at: $0) }
        if images.contains(where: { $0.store is any LinkedArchive }) {
            for (number, holders) in baseHolders.enumerated() {
                await holders?.learn(
                    zip(images, names[number]).compactMap { image, name in
                        name.map { (image.image.descriptor.digest, $0.repository) }
                    })
            }
        }
        var items = [[PlanItem]](repeating: [], count: targets.count)
        for number in targets.indices { items[number].reserveCapacity(images.count) }
        try await forEachResult(of: images.indices, limit: concurrency) { [images] number in
            try await self.items(for: images[number], names.map { $0[number] })
        } take: { planned in
            plan.failures += planned.failures
            for item in planned.items { items[item.target].append(item) }
        }
        plan.items = items.removeFirst()
        for more in items { plan.items += more }
        if targets.count == 1, let target = targets[0].store as? any PartialTarget {
            plan.lacking = try await lacking(plan.items, at: target)
        }
        try await findHolders(&plan.items)
        for guarding in guards { try await guarding.judge(&plan, of: sources) }
        return plan
    }

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

    private struct Candidate: Sendable {
        var selected: Selector.Selected
        var store: any SourceStore

        var image: NamedImage { selected.image }
        var name: String { store.name + "/" + image.name }
    }

    /// What a target will call an image.
    private struct Name: Sendable {
        var repository: RepositoryName
        var tag: Tag?
    }

    /// What a target will call each of the images. The same image asked for twice is one, and the second gets no name;
    /// two images that want one name are an error.
    private func names(of images: [Candidate], at target: Target) throws -> [Name?] {
        var byKey: [String: Int] = [:]
        var result: [Name?] = []
        result.reserveCapacity(images.count)
        for (number, candidate) in images.enumerated() {
            let image = candidate.image
            let name: Name
            do {
                let (repository, tag) = try target.naming.target(for: candidate.selected)
                name = Name(repository: repository, tag: tag)
            } catch let error as any Failure {
                throw LifeboatError(
                    .policy, "\(candidate.name) gets no name at \(target.store.name): \(error.description)",
                    advice: "change prefix, rename or retag, or leave the image out")
            }
            let shownKey = "\(name.repository)\(name.tag.map { ":\($0)" } ?? "@\(image.descriptor.digest)")"
            // An archive tells images by their registry too.
            let key = target.store is any PlannedTarget ? (image.registry ?? "") + "/" + shownKey : shownKey
            if let other = byKey[key].map({ images[$0] }) {
                guard other.image.descriptor.digest == image.descriptor.digest else {
                    throw LifeboatError(
                        .policy,
                        "\(other.name) and \(candidate.name) would both become \(shownKey) at \(target.store.name), "
                            + "with different digests",
                        advice: Planner.advice(other.image, image))
                }
                result.append(nil)
                continue
            }
            byKey[key] = number
            result.append(name)
        }
        return result
    }

    /// What keeps two images apart that would get one name.
    private static func advice(_ image: NamedImage, _ other: NamedImage) -> String {
        if image.repository != other.repository {
            return "change rename, so that each repository has a name of its own"
        }
        if image.tag != other.tag { return "change retag, so that each tag has a name of its own" }
        return "import them into different prefixes, or one registry at a time: --registry HOST, --registry none for "
            + "what came from nobody knows where"
    }

    /// One image at all targets.
    private struct Planned: Sendable {
        var items: [PlanItem] = []
        var failures: [PlanFailure] = []
    }

    /// - Parameter names: what each target calls it; nil where another image is the same there.
    private func items(for candidate: Candidate, _ names: [Name?]) async throws -> Planned {
        var planned = Planned()
        // What one target needs of the manifests is read once for all of them.
        var graph: ImageGraph?
        for case (let number, let name?) in names.enumerated() {
            var item = PlanItem(
                source: candidate.image, store: candidate.store, targetRepository: name.repository,
                targetTag: name.tag, action: .copy, graph: nil)
            item.target = number
            item.targetStore = targetNames[number]
            item.overwrite = targets[number].overwrite
            do {
                let below = RetryCount()
                let (known, first) = (graph, item)
                var result: PlanItem
                (result, graph) = try await RetryCount.$current.withValue(below) {
                    var graph = known
                    let item = try await self.item(first, for: candidate, graph: &graph)
                    return (item, graph)
                }
                result.retries = below.value
                planned.items.append(result)
            } catch let error as any Failure where error.kind != .internal && error.kind != .local {
                planned.failures.append(
                    targets.count > 1
                        ? PlanFailure(name: candidate.name, target: item.targetName, targetNumber: number, error: error)
                        : PlanFailure(name: candidate.name, error: error))
            }
        }
        return planned
    }

    private func item(_ item: PlanItem, for candidate: Candidate, graph: inout ImageGraph?) async throws -> PlanItem {
        var item = item
        let image = candidate.image
        let rule = candidate.selected.rule
        let target = targets[item.target]
        item.chosenBy = candidate.selected.applied
        let source = try await candidate.store.source(image.repository)
        var reader = SpooledReader(source: source, spool: spool, graphs: graphs)
        if let memory {
            reader.memory = memory
            reader.knownReferrers = try await knownReferrers(of: image, rule, memory)
        }
        if let holders = baseHolders[item.target], candidate.store is any LinkedArchive {
            reader.base = SpooledReader.Base(holders: holders, image: image, written: written)
        }
        let root: Descriptor
        if let graph {
            root = graph.root
        } else {
            root = try await ImageGraph.root(of: image.descriptor, platforms: rule.platforms, from: reader)
        }
        item.action = try await action(for: item, root: root, at: target)
        item.readsReferrers = rule.referrers
        if item.action == .alreadyThere, rule.referrers {
            item.readsReferrers = try await isDue(root.digest, item, rule)
            if item.readsReferrers, try await lacksReferrers(of: root, item, rule, reader) { item.action = .copy }
        }
        if item.action == .alreadyThere {
            // The digest of what is there; its parts need not be moved.
            item.source.descriptor = root
        } else {
            if graph == nil { graph = try await graphs.graph(image.descriptor, rule, from: reader) }
            item.graph = graph
        }
        if !rule.platforms.isEmpty, !image.descriptor.mediaType.isIndex, item.graph != nil {
            item.notes.append("it is one image and no index: taken as it is, whatever its platform")
        }
        if let subject = item.graph?.subject, candidate.store is any ImageCatalog,
            try await !holds(subject, source)
        {
            item.notes.append("it refers to \(subject), its subject is not there")
        }
        return item
    }

    /// A target that knows some of the manifests already.
    private var memory: (any RememberingTarget)? {
        targets.lazy.compactMap { $0.store as? any RememberingTarget }.first
    }

    /// What referred to the manifests of an image when the target was given it, unless its turn has come to look again.
    private func knownReferrers(
        of image: NamedImage, _ rule: SelectionRule, _ memory: any RememberingTarget
    ) async throws -> [Digest: [Descriptor]]? {
        guard let known = try await memory.rememberedReferrers(of: image) else { return nil }
        if let rotation, rotation.isDue(image.descriptor.digest, last: known.time, by: rule) { return nil }
        return known.referrers
    }

    private func holds(_ manifest: Digest, _ source: any ImageSource) async throws -> Bool {
        do {
            _ = try await source.resolve(.digest(manifest))
            return true
        } catch let error as any Failure where error.kind == .notFound {
            return false
        }
    }

    private func action(for item: PlanItem, root: Descriptor, at target: Target) async throws -> PlanItem.Action {
        let reference: TagOrDigest = item.targetTag.map { .tag($0) } ?? .digest(root.digest)
        guard let present = try await present.find(reference, in: item.targetRepository, at: item.target) else {
            return .copy
        }
        if present == root.digest { return .alreadyThere }
        // A list of referrers is no version: both sides' entries are kept, by the target's `list`.
        if item.targetTag?.listsReferrers ?? false { return .copy }
        switch target.overwrite {
        case .always: return .replace(present)
        case .ours:
            guard let written else {
                throw LifeboatError(
                    .policy, "overwrite is ours, and nothing remembers what was written to \(target.store.name)")
            }
            try await written.checkOurs(item, want: root.digest, present: present, registry: target.store.name)
            return .replace(present)
        case .never:
            throw LifeboatError(
                .conflict,
                "\(item.targetName) points to \(present), want \(root.digest)",
                advice: "--overwrite always (overwrite: always) moves the tag; nothing was changed")
        }
    }

    /// Whether the referrers of an image that is at the target are looked up in this run: always where that is free.
    private func isDue(_ root: Digest, _ item: PlanItem, _ rule: SelectionRule) async throws -> Bool {
        guard let rotation, !(item.store is any ImageCatalog), let way = item.referrerWay else { return true }
        return try await rotation.isDue(root, way, by: rule)
    }

    /// Whether the source knows a signature or SBOM of the image, or of a manifest in it, that the target does not hold.
    ///
    /// - Parameter root: what the target's tag points to.
    private func lacksReferrers(
        of root: Descriptor, _ item: PlanItem, _ rule: SelectionRule, _ source: SpooledReader
    ) async throws -> Bool {
        let repository = try await targets[item.target].store.target(item.targetRepository)
        var seen: Set<Digest> = []
        var waiting = [root]
        while let manifest = waiting.popLast() {
            guard seen.insert(manifest.digest).inserted else { continue }
            // Of what was only listed it may not be known whether it is an index.
            if manifest.mediaType.isIndex || !manifest.mediaType.isManifest {
                waiting += try await children(of: manifest, item, source).filter { child in
                    child.mediaType.isManifest
                        && (rule.platforms.isEmpty
                            || child.platform.map { platform in rule.platforms.contains { $0.matches(platform) } }
                                ?? true)
                }
            }
            for referrer in try await source.referrers(of: manifest.digest) where rule.wants(referrer: referrer) {
                if try await repository.find(.digest(referrer.digest)) == nil { return true }
                waiting.append(referrer)
            }
        }
        return false
    }

    /// What an index lists; nothing for one that a delta leaves to its base: then nothing of the image is new.
    private func children(of index: Descriptor, _ item: PlanItem, _ source: SpooledReader) async throws -> [Descriptor]
    {
        do {
            if case .index(let children) = try await source.manifest(index).kind { return children }
        } catch let error as any Failure where error.kind == .notFound && item.store is any PartialSource {}
        return []
    }
}

/// What to do about a tag that points elsewhere at the target.
public enum Overwrite: String, Sendable, CaseIterable {
    /// It is a conflict, and nothing is changed.
    case never
    /// It is moved only if it still points to what Lifeboat last wrote there; else it is a conflict.
    case ours
    case always
}
