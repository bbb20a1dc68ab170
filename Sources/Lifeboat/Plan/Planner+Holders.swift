import OCI
import OCIArchive

extension Planner {
    /// A delta leaves out what its base has. Of an image that has another name since then the target has it under
    /// another name too, from where it can be mounted.
    func findHolders(_ items: inout [PlanItem]) async throws {
        for number in targets.indices where !(targets[number].store is any PlannedTarget) {
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
            for index in lacking { items[index].holders = holders }
        }
    }

    /// None where the manifests are lacking too.
    private func blobs(of item: PlanItem) async throws -> [Descriptor] {
        guard let rule = item.chosenBy?.rule else { return [] }
        do {
            let source = try await item.store.source(item.source.repository)
            return try await ImageGraph.read(
                item.root, platforms: rule.platforms, referrers: false,
                from: SpooledReader(source: source, spool: spool)
            ).blobs
        } catch let error as any Failure where error.kind != .internal && error.kind != .local {
            return []
        }
    }
}
