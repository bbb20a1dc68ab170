import OCI

/// Finds the images of a store that a selection means, and pins each to its digest.
struct Selector {
    let store: any SourceStore
    /// Requests under way at once.
    var concurrency = 16

    /// An image that was asked for, and what became of looking for it.
    struct Selected: Sendable {
        var image: NamedImage
        var rule: SelectionRule
    }

    struct Outcome: Sendable {
        var selected: [Selected] = []
        var failures: [(name: String, error: any Error)] = []
    }

    func select(_ selection: Selection) async throws -> Outcome {
        if let catalog = store as? any ImageCatalog {
            try await select(selection, from: catalog)
        } else {
            try await selectByRequests(selection)
        }
    }

    // MARK: Stores that know their images

    private func select(_ selection: Selection, from catalog: any ImageCatalog) async throws -> Outcome {
        var outcome = Outcome()
        var matched = [Bool](repeating: false, count: selection.rules.count)
        for image in try await catalog.images() {
            guard let number = selection.rules.firstIndex(where: { $0.matches(image.repository) }) else { continue }
            let rule = selection.rules[number]
            let isWanted = image.tag.map(rule.matches) ?? rule.tags.contains(Glob("*"))
            guard isWanted || rule.digests.contains(image.descriptor.digest) else { continue }
            matched[number] = true
            outcome.selected.append(Selected(image: image, rule: rule))
        }
        for (number, rule) in selection.rules.enumerated() where !matched[number] {
            outcome.failures.append((rule.summary, nothingMatches(rule)))
        }
        return outcome
    }

    private func nothingMatches(_ rule: SelectionRule) -> LifeboatError {
        LifeboatError(
            .notFound, "\(store.name) has no image that matches \(rule.summary)",
            advice: "lifeboat list \(store.name) shows what is there")
    }

    // MARK: Registries

    private func selectByRequests(_ selection: Selection) async throws -> Outcome {
        var repositories: [RepositoryName: SelectionRule] = [:]
        for rule in selection.rules where rule.namesRepositories {
            for pattern in rule.repositories {
                let name = try RepositoryName(pattern.description)
                if repositories[name] == nil, rule.matches(name) { repositories[name] = rule }
            }
        }
        var outcome = Outcome()
        if selection.rules.contains(where: { !$0.namesRepositories }) {
            let all = try await store.repositories()
            for name in all {
                // The first rule owns a repository, also where a later one names it.
                if let rule = selection.rules.first(where: { $0.matches(name) }) { repositories[name] = rule }
            }
            for rule in selection.rules where !rule.namesRepositories && !all.contains(where: rule.matches) {
                outcome.failures.append((rule.summary, nothingMatches(rule)))
            }
        }
        let wanted = repositories.sorted { $0.key < $1.key }
        let listed = try await map(wanted, limit: concurrency) { repository, rule in
            try await list(repository, rule)
        }
        for result in listed {
            outcome.failures += result.failures
        }
        let references = listed.flatMap(\.references)
        // A rule may match no tag of some repositories, but not of all of them.
        for rule in selection.rules where !outcome.failures.contains(where: { $0.name == rule.summary }) {
            let isUsed = zip(wanted, listed).contains {
                $0.value == rule && !($1.references.isEmpty && $1.failures.isEmpty)
            }
            let owns = wanted.contains { $0.value == rule }
            if owns, !isUsed { outcome.failures.append((rule.summary, nothingMatches(rule))) }
        }
        let resolved = try await map(references, limit: concurrency) { reference -> Result<Selected, any Error> in
            do {
                let source = try await store.source(reference.repository)
                let descriptor = try await source.resolve(reference.target)
                let tag: Tag? = if case .tag(let tag) = reference.target { tag } else { nil }
                return .success(
                    Selected(
                        image: NamedImage(
                            registry: store.name, repository: reference.repository, tag: tag, descriptor: descriptor),
                        rule: reference.rule))
            } catch let error as any Failure where error.kind != .internal {
                return .failure(error)
            }
        }
        for (reference, result) in zip(references, resolved) {
            switch result {
            case .success(let selected): outcome.selected.append(selected)
            case .failure(let error): outcome.failures.append((reference.name(in: store.name), error))
            }
        }
        return outcome
    }

    private struct Wanted: Sendable {
        var repository: RepositoryName
        var target: TagOrDigest
        var rule: SelectionRule

        func name(in store: String) -> String {
            switch target {
            case .tag(let tag): "\(store)/\(repository):\(tag)"
            case .digest(let digest): "\(store)/\(repository)@\(digest)"
            }
        }
    }

    private struct Listed: Sendable {
        var references: [Wanted] = []
        var failures: [(name: String, error: any Error)] = []
    }

    private func list(_ repository: RepositoryName, _ rule: SelectionRule) async throws -> Listed {
        var listed = Listed()
        listed.references = rule.digests.map { Wanted(repository: repository, target: .digest($0), rule: rule) }
        do {
            if rule.namesTags {
                listed.references += try rule.tags.map {
                    Wanted(repository: repository, target: .tag(try Tag($0.description)), rule: rule)
                }
            } else {
                let tags = try await store.source(repository).tags()
                let matching = tags.filter(rule.matches)
                listed.references += matching.map { Wanted(repository: repository, target: .tag($0), rule: rule) }
            }
        } catch let error as any Failure {
            listed.failures.append(("\(store.name)/\(repository)", error))
        }
        return listed
    }
}

extension SelectionRule {
    /// The rule on one line, for messages.
    var summary: String {
        let repositories = repositories.map(\.description).joined(separator: ",")
        if let digest = digests.first { return "\(repositories)@\(digest.short)" }
        return repositories + ":" + tags.map(\.description).joined(separator: ",")
    }
}
