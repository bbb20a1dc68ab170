import OCI

/// What targets have under the names that images will get there: each name is asked for once.
///
/// Where a repository lacks the first name that is asked for, it is asked before the second whether it is there at all:
/// if not, none of the others is asked for.
actor TargetTags {
    private enum Repository {
        /// It is not there, or has no tags.
        case empty
        /// Its first name is not there.
        case lacking(TagOrDigest)
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
        let repository = try await store.target(name)
        switch repositories[place] {
        case nil, .lacking:
            try await turns.take(place) {
                switch repositories[place] {
                case nil:
                    let found = try await repository.find(reference)?.digest
                    repositories[place] = found == nil ? .lacking(reference) : .known([reference: found])
                case .lacking(let first) where first != reference:
                    repositories[place] = try await isEmpty(repository) ? .empty : .known([first: nil])
                default: break
                }
            }
        default: break
        }
        switch repositories[place] {
        case .lacking: return nil
        case .known(let names):
            if let found = names[reference] { return found }
        default:
            // Tags that list referrers are no more there than the others; manifests may be there without a tag.
            if case .tag = reference { return nil }
        }
        let found = try await repository.find(reference)?.digest
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

    /// Whether a repository is not there, or has no tags.
    private func isEmpty(_ repository: any ImageTarget) async throws -> Bool {
        guard let source = repository as? any ImageSource else { return false }
        do {
            return try await source.tags().isEmpty
        } catch let error as any Failure where error.kind == .notFound {
            return true
        } catch let error as any Failure where error.kind != .internal && error.kind != .local {
            // Who may not list may still ask for one name after the other.
            return false
        }
    }
}
