import OCI
import OCIArchive

extension BackupGuard {
    private static let requestsAtATime = 16

    /// Asks for the tags that the backup has and the listing has not, one by one: a tag counts as deleted when the
    /// registry says so of itself.
    func review(_ outcome: Selector.Outcome, of source: Planner.Source) async throws -> Selector.Outcome {
        guard !(source.store is any ImageCatalog), let baseline = try await target.baseline() else { return outcome }
        var outcome = outcome
        let rules = try Ruleset(source.selection, of: source.store.name, hosts: [source.store.name])
        var known = Set(outcome.selected.map(\.image.name))
        for failure in outcome.failures where failure.name.hasPrefix(source.store.name + "/") {
            known.insert(String(failure.name.dropFirst(source.store.name.utf8.count + 1)))
        }
        let repositories = Set(outcome.selected.map(\.image.repository))
        let origins = Origins(naming, repositories: repositories)
        let gone = baseline.images().compactMap { image -> (image: NamedImage, rule: Int)? in
            guard image.registry == source.store.name, let tag = image.tag, tag.companionStem == nil,
                let image = origins.origin(of: image), !known.contains(image.name),
                let number = rules.owner(of: image.repository)
            else { return nil }
            let rule = rules.rules[number]
            // Newer ones have taken its place.
            if rule.newest != nil, repositories.contains(image.repository) { return nil }
            return rule.list == nil ? (image, number) : nil
        }
        guard !gone.isEmpty else { return outcome }
        let found = try await map(gone, limit: BackupGuard.requestsAtATime) {
            image, _ -> Result<Descriptor?, any Error> in
            do {
                return .success(try await source.store.source(image.repository).resolve(try tag(of: image)))
            } catch let error as any Failure where error.kind == .notFound {
                return .success(nil)
            } catch let error as any Failure where error.kind != .internal {
                return .failure(error)
            }
        }
        var hidden: [String] = []
        for ((image, number), result) in zip(gone, found) {
            switch result {
            case .success(let descriptor?):
                var image = image
                image.descriptor = descriptor
                hidden.append(image.name)
                outcome.selected.append(rules.selected(image, by: number))
            case .success(nil): continue
            case .failure(let error): outcome.failures.append(("\(source.store.name)/\(image.name)", error))
            }
        }
        if !hidden.isEmpty {
            outcome.notes.append(
                "the listing of \(source.store.name) leaves out \(Figures.count(hidden.count, "tag")) that it has all "
                    + "the same, which are taken too: \(BackupGuard.names(hidden))")
        }
        return outcome
    }

    private func tag(of image: NamedImage) throws -> TagOrDigest {
        image.tag.map { .tag($0) } ?? .digest(image.descriptor.digest)
    }
}

/// What images of a backup are called at their source, as far as that can be said: a rename cannot be turned round, so
/// it is tried on the repositories that are listed.
private struct Origins {
    private let naming: Naming
    private var candidates: [RepositoryName: [RepositoryName]] = [:]

    init(_ naming: Naming, repositories: Set<RepositoryName>) {
        self.naming = naming
        guard !naming.rename.isEmpty else { return }
        for repository in repositories.sorted() {
            if let held = naming.held(repository) { candidates[held, default: []].append(repository) }
        }
    }

    func origin(of image: NamedImage) -> NamedImage? {
        guard let tag = image.tag else { return nil }
        let name = TagName(repository: image.repository, tag: tag)
        guard let repository = candidates(for: image.repository).first(where: { naming.held(tag, in: $0) == name })
        else { return nil }
        var image = image
        image.repository = repository
        return image
    }

    private func candidates(for repository: RepositoryName) -> [RepositoryName] {
        if !naming.rename.isEmpty { return candidates[repository] ?? [] }
        return naming.original(of: repository).map { [$0] } ?? []
    }
}
