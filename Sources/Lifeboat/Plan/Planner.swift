import OCI

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

    public let target: any TargetStore
    public let naming: Naming
    public let overwrite: Overwrite
    public let spool: ManifestSpool
    public var concurrency = 16
    private let graphs = GraphShelf()

    public init(target: any TargetStore, naming: Naming, overwrite: Overwrite, spool: ManifestSpool) {
        self.target = target
        self.naming = naming
        self.overwrite = overwrite
        self.spool = spool
    }

    public func plan(_ sources: [Source]) async throws -> Plan {
        var plan = Plan()
        var candidates: [Candidate] = []
        for source in sources {
            let outcome = try await Selector(store: source.store, concurrency: concurrency).select(source.selection)
            plan.failures += outcome.failures.map { PlanFailure(name: $0.name, error: $0.error) }
            for selected in outcome.selected {
                let (repository, tag) = try naming.target(for: selected.image)
                candidates.append(
                    Candidate(selected: selected, store: source.store, repository: repository, tag: tag))
            }
        }
        candidates = try unique(candidates)
        let results = try await map(candidates, limit: concurrency) { candidate -> Result<PlanItem, any Error> in
            do {
                return .success(try await item(for: candidate))
            } catch let error as any Failure where error.kind != .internal && error.kind != .local {
                return .failure(error)
            }
        }
        for (candidate, result) in zip(candidates, results) {
            switch result {
            case .success(let item): plan.items.append(item)
            case .failure(let error): plan.failures.append(PlanFailure(name: candidate.name, error: error))
            }
        }
        return plan
    }

    private struct Candidate: Sendable {
        var selected: Selector.Selected
        var store: any SourceStore
        var repository: RepositoryName
        var tag: Tag?

        var name: String { store.name + "/" + selected.image.name }
        /// What the target will call it.
        var key: String { "\(repository)\(tag.map { ":\($0)" } ?? "@\(selected.image.descriptor.digest)")" }
    }

    /// The same image asked for twice is one; two images that want one name are an error.
    private func unique(_ candidates: [Candidate]) throws -> [Candidate] {
        var byKey: [String: Candidate] = [:]
        var result: [Candidate] = []
        for candidate in candidates {
            let key =
                target is any PlannedTarget
                ? (candidate.selected.image.registry ?? "") + "/" + candidate.key : candidate.key
            if let other = byKey[key] {
                guard other.selected.image.descriptor.digest == candidate.selected.image.descriptor.digest else {
                    throw LifeboatError(
                        .policy,
                        "\(other.name) and \(candidate.name) would both become \(candidate.key) at \(target.name), "
                            + "with different digests",
                        advice: "import them into different prefixes")
                }
                continue
            }
            byKey[key] = candidate
            result.append(candidate)
        }
        return result
    }

    private func item(for candidate: Candidate) async throws -> PlanItem {
        let image = candidate.selected.image
        let rule = candidate.selected.rule
        var item = PlanItem(
            source: image, store: candidate.store, targetRepository: candidate.repository, targetTag: candidate.tag,
            action: .copy, graph: nil, rule: rule.summary)
        let source = try await candidate.store.source(image.repository)
        let reader = SpooledReader(source: source, spool: spool, graphs: graphs)
        // With one platform chosen the root is another manifest, which only the graph tells.
        if rule.platforms.count == 1 { item.graph = try await graph(image, rule, reader) }
        item.action = try await action(for: item)
        if item.action == .alreadyThere, rule.referrers, try await lacksReferrers(item, reader) {
            item.action = .copy
        }
        if item.action == .alreadyThere {
            item.graph = nil
        } else if item.graph == nil {
            item.graph = try await graph(image, rule, reader)
        }
        return item
    }

    private func graph(_ image: NamedImage, _ rule: SelectionRule, _ reader: SpooledReader) async throws -> ImageGraph {
        try await graphs.graph(
            image.descriptor, platforms: rule.platforms, referrers: rule.referrers, from: reader)
    }

    private func action(for item: PlanItem) async throws -> PlanItem.Action {
        guard !(target is any PlannedTarget) else { return .copy }
        let repository = try await target.target(item.targetRepository)
        let reference: TagOrDigest = item.targetTag.map { .tag($0) } ?? .digest(item.root.digest)
        guard let present = try await repository.find(reference) else { return .copy }
        if present.digest == item.root.digest { return .alreadyThere }
        // A list of referrers is no version: both sides' entries are kept, by the target's `list`.
        if item.targetTag?.listsReferrers ?? false { return .copy }
        switch overwrite {
        case .always: return .replace(present.digest)
        case .never:
            throw LifeboatError(
                .conflict,
                "\(item.targetName(in: target.name)) points to \(present.digest), want \(item.root.digest)",
                advice: "--overwrite always (overwrite: always) moves the tag; nothing was changed")
        }
    }

    /// Whether the source knows a signature or SBOM of the image that the target does not hold.
    private func lacksReferrers(_ item: PlanItem, _ source: SpooledReader) async throws -> Bool {
        let repository = try await target.target(item.targetRepository)
        for referrer in try await source.referrers(of: item.root.digest)
        where try await repository.find(.digest(referrer.digest)) == nil {
            return true
        }
        return false
    }
}

/// What to do about a tag that points elsewhere at the target.
public enum Overwrite: String, Sendable, CaseIterable {
    /// It is a conflict, and nothing is changed.
    case never
    case always
}

/// What images are called at the target.
public struct Naming: Sendable {
    /// Put before every repository, without a slash at its end; empty for none.
    public var prefix: String
    /// The one name for the one image, whatever it was called.
    public var exact: Reference?

    public init(prefix: String = "", exact: Reference? = nil) {
        self.prefix = prefix
        self.exact = exact
    }

    func target(for image: NamedImage) throws -> (RepositoryName, Tag?) {
        if let exact { return (exact.repository, exact.tag ?? (exact.digest == nil ? .latest : nil)) }
        if prefix.isEmpty { return (image.repository, image.tag) }
        return (try RepositoryName(prefix + "/" + image.repository.description), image.tag)
    }
}
