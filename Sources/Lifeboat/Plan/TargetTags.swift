import OCI

/// What targets have under the names that images will get there: each name is asked for once.
///
/// Where a repository lacks the first name that is asked for, it is asked whether it is there at all: if not, none of
/// the others is asked for.
actor TargetTags {
    private enum Repository {
        /// It is not there, or has no tags.
        case empty
        /// What was found so far; nil for a name that is not there.
        case known([TagOrDigest: Digest?])
    }

    private struct Place: Hashable {
        var target: Int
        var repository: RepositoryName
    }

    private let targets: [Planner.Target]
    private var repositories: [Place: Repository] = [:]
    private let turns = Turns<Place>()

    init(_ targets: [Planner.Target]) {
        self.targets = targets
    }

    /// - Returns: the digest of what is there; nil for a name that is not, and for a target that is written as a whole.
    func find(_ reference: TagOrDigest, in name: RepositoryName, at target: Int) async throws -> Digest? {
        let store = targets[target].store
        guard !(store is any PlannedTarget), !(store is Nowhere) else { return nil }
        if case .tag(let tag) = reference, let listing = try await store.target(name) as? any DigestListing,
            let listed = try await self.listed(listing)?[tag]
        {
            return listed.digest
        }
        let place = Place(target: target, repository: name)
        if repositories[place] == nil {
            try await turns.take(place) {
                guard repositories[place] == nil else { return }
                repositories[place] = try await first(reference, in: try await store.target(name))
            }
        }
        switch repositories[place] {
        case .known(let names):
            if let found = names[reference] { return found }
        default:
            // Tags that list referrers are no more there than the others; manifests may be there without a tag.
            if case .tag = reference { return nil }
        }
        let found = try await store.target(name).find(reference)?.digest
        if case .known(var names) = repositories[place] {
            repositories[place] = nil
            names[reference] = .some(found)
            repositories[place] = .known(names)
        }
        return found
    }

    /// What the target's own listing says; nil for a repository that is not there, or cannot be listed.
    private func listed(_ repository: any DigestListing) async throws -> [Tag: ListedTag]? {
        do {
            return try await repository.listedTags()
        } catch let error as any Failure where error.kind != .internal && error.kind != .local {
            return nil
        }
    }

    private func first(_ reference: TagOrDigest, in repository: any ImageTarget) async throws -> Repository {
        let found = try await repository.find(reference)?.digest
        let known = Repository.known([reference: found])
        guard found == nil, let source = repository as? any ImageSource else { return known }
        do {
            return try await source.tags().isEmpty ? .empty : known
        } catch let error as any Failure where error.kind == .notFound {
            return .empty
        } catch let error as any Failure where error.kind != .internal && error.kind != .local {
            // Who may not list may still ask for one name after the other.
            return known
        }
    }
}
