import OCI
import OCIArchive

extension Planner {
    /// One image at all targets.
    struct Planned: Sendable {
        var items: [PlanItem] = []
        var failures: [PlanFailure] = []
    }

    /// - Parameter names: what each target calls it; nil where another image is the same there.
    func items(for candidate: Candidate, _ names: [TargetNames.Name?]) async throws -> Planned {
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
        let reader = try await reader(of: source, for: candidate, item)
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

    private func reader(
        of source: any ImageSource, for candidate: Candidate, _ item: PlanItem
    ) async throws -> SpooledReader {
        let image = candidate.image
        var reader = SpooledReader(source: source, spool: spool, graphs: graphs)
        if let memory {
            reader.memory = memory
            reader.knownReferrers = try await knownReferrers(of: image, candidate.selected.rule, memory)
        }
        if let holders = baseHolders[item.target], candidate.store is any LinkedArchive {
            reader.base = SpooledReader.Base(holders: holders, image: image, written: written)
        }
        return reader
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
}
