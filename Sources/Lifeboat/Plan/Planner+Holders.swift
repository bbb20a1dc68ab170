import OCI
import OCIArchive

extension Planner {
    /// Requests for blobs in other repositories, at one target.
    private static let askingLimit = 10_000

    /// What the targets call the images: what a delta leaves out may be there under another name of the same image.
    func learnBases(_ images: [Candidate], _ names: [TargetNames]) async {
        guard images.contains(where: { $0.store is any LinkedArchive }) else { return }
        for (holders, names) in zip(baseHolders, names) {
            await holders?.learn(
                images.indices.compactMap { number in
                    names[number].map { (images[number].image.descriptor.digest, $0.repository) }
                })
        }
    }

    /// A delta leaves out what its base has. Of an image that has another name since, and of what was built on one, the
    /// target has it under another name too, from where it can be mounted.
    func findHolders(_ items: inout [PlanItem]) async throws {
        for number in targets.indices {
            guard let base = baseHolders[number] else { continue }
            let lacking = items.indices.filter { index in
                let item = items[index]
                guard item.target == number, item.graph != nil else { return false }
                return (item.store as? any LinkedArchive)?.lack(of: item.source) != nil
            }
            guard !lacking.isEmpty else { continue }
            var wanted = Set(lacking.flatMap { items[$0].graph?.blobs.map(\.digest) ?? [] })
            var holders: [Digest: RepositoryName] = [:]
            for item in items where item.target == number && item.action == .alreadyThere && !wanted.isEmpty {
                for blob in try await blobs(of: item) where wanted.remove(blob.digest) != nil {
                    holders[blob.digest] = item.targetRepository
                }
            }
            try await ask(base, for: wanted, of: lacking.map { items[$0] }, &holders)
            for index in lacking { items[index].holders = holders }
        }
    }

    /// Looks for what is still wanted: in repositories of the same image, then in those of the archive's other images.
    private func ask(
        _ base: BaseHolders, for wanted: Set<Digest>, of items: [PlanItem], _ holders: inout [Digest: RepositoryName]
    ) async throws {
        guard !wanted.isEmpty else { return }
        let others = await base.others
        var asked: [Digest: Set<RepositoryName>] = [:]
        var count = 0
        for item in items {
            let lacking = (item.graph?.blobs ?? []).filter { wanted.contains($0.digest) && holders[$0.digest] == nil }
            guard !lacking.isEmpty else { continue }
            let places = (try await base.repositories(of: item.source, written) + others).uniqued()
                .filter { $0 != item.targetRepository }
            for blob in lacking {
                // What a file of the archive has need not be mounted.
                if (item.store as? any LinkedArchive)?.isHere(blob.digest) ?? true { continue }
                let new = places.filter { asked[blob.digest]?.contains($0) != true }
                guard count + new.count <= Planner.askingLimit else { return }
                count += new.count
                asked[blob.digest, default: []].formUnion(new)
                if let holder = try await base.holder(of: blob, among: new) { holders[blob.digest] = holder }
            }
        }
    }

    /// None where the manifests are lacking too.
    private func blobs(of item: PlanItem) async throws -> [Descriptor] {
        guard let rule = item.chosenBy?.rule else { return [] }
        do {
            let source = try await item.store.source(item.source.repository)
            return try await ImageGraph.read(
                item.root, platforms: rule.platforms, referrers: rule.referrers,
                from: SpooledReader(source: source, spool: spool), where: rule.wants(referrer:)
            ).blobs
        } catch let error as any Failure where error.kind != .internal && error.kind != .local {
            return []
        }
    }
}
