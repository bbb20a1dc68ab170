import OCI

/// Registries: the tag pages of a repository, and one request for each tag that is meant.
extension Selector {
    /// Something to ask a registry for.
    struct Wanted: Sendable, Hashable {
        var repository: RepositoryName
        var target: TagOrDigest
        /// The number of the rule, from 0.
        var rule: Int
        /// Whether it has to be there; else its absence is no failure.
        var isRequired = true
        var companionOf: Digest?
    }

    /// What a rule takes of one repository, as far as names tell.
    struct Listed: Sendable {
        var repository: RepositoryName
        var rule: Int
        var references: [Wanted] = []
        /// Tags that belong to images by their names; nil where the tags were not listed.
        var companions: [Tag]?
        /// Whether the store listed it and did not know it when asked.
        var isUnknown = false
        var failure: (any Error)?
    }

    func selectByRequests(_ selection: Selection) async throws -> Outcome {
        let rules = try Ruleset(selection, of: store.name, hosts: [store.name])
        var outcome = Outcome(notes: rules.notes)
        let owners = try await owners(rules, &outcome)
        var listed = try await map(owners, limit: concurrency) { repository, rule in
            try await list(repository, rule, rules)
        }
        for entry in listed {
            guard let error = entry.failure else { continue }
            outcome.failures.append(("\(store.name)/\(entry.repository)", error))
        }
        noteUnused(rules, owners, listed, &outcome)
        let found = try await resolve(listed.flatMap(\.references), rules, &outcome)
        var selected = try await cut(found, listed, rules, &outcome)
        // What a tag points to is kept by its tag, also where its digest is asked for.
        let tagged = Set(
            selected.filter { $0.image.tag != nil }.map { "\($0.image.repository)@\($0.image.descriptor.digest)" })
        selected.removeAll { $0.image.tag == nil && tagged.contains($0.image.name) }
        listed = try await listCompanions(of: selected, listed, rules)
        let companions = try await companions(of: &selected, listed, rules)
        selected += try await resolve(companions, rules, &outcome)
        // A repository's images together, those that belong to one behind it.
        outcome.selected = selected.enumerated().sorted {
            ($0.element.image.repository, $0.offset) < ($1.element.image.repository, $1.offset)
        }.map(\.element)
        return outcome
    }

    // MARK: Repositories

    /// Every repository that a rule owns, with the rule's number, sorted.
    private func owners(_ rules: Ruleset, _ outcome: inout Outcome) async throws -> [(RepositoryName, Int)] {
        var owners: [RepositoryName: Int] = [:]
        for number in rules.rules.indices {
            let named = try rules.named(by: number)
            for name in named { owners[name] = rules.owner(of: name) }
            if named.isEmpty, rules.rules[number].namesRepositories {
                outcome.failures.append((rules.rules[number].summary, nothingMatches(rules.rules[number])))
            }
        }
        let patterns = rules.rules.filter { !$0.namesRepositories }
        guard !patterns.isEmpty else { return owners.sorted { $0.key < $1.key }.map { ($0.key, $0.value) } }
        let all: [RepositoryName]
        do {
            all = try await store.repositories()
        } catch let error as any Failure where [.policy, .auth].contains(error.kind) && !owners.isEmpty {
            // No listing: what is named one by one can be had all the same.
            for rule in patterns {
                outcome.failures.append(
                    (
                        rule.summary,
                        LifeboatError(
                            error.kind, "\(rule.summary) needs the list of repositories: \(error.description)",
                            advice: "name the repositories one by one, or in a file: {list: images.txt}")
                    ))
            }
            return owners.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
        }
        for name in all where owners[name] == nil { owners[name] = rules.owner(of: name) }
        for rule in patterns where !all.contains(where: rule.matches) {
            outcome.failures.append((rule.summary, nothingMatches(rule)))
        }
        return owners.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
    }

    /// A rule may match no tag of some repositories, but not of all of them.
    private func noteUnused(
        _ rules: Ruleset, _ owners: [(RepositoryName, Int)], _ listed: [Listed], _ outcome: inout Outcome
    ) {
        for repository in listed.filter(\.isUnknown).map(\.repository) {
            outcome.notes.append(
                "\(store.name) lists \(repository) and does not know it when asked: nothing was taken from there")
        }
        let owning = Set(owners.map(\.1))
        let used = Set(listed.filter { !$0.references.isEmpty || $0.failure != nil }.map(\.rule))
        let failed = Set(outcome.failures.map(\.name))
        for (number, rule) in rules.rules.enumerated() where !used.contains(number) && !failed.contains(rule.summary) {
            if owning.contains(number) {
                outcome.failures.append((rule.summary, nothingMatches(rule)))
            } else {
                outcome.notes.append(starved(rule, number))
            }
        }
    }

    func starved(_ rule: SelectionRule, _ number: Int) -> String {
        "rule \(number + 1) (\(rule.summary)) chooses nothing: earlier rules own all repositories that it matches"
    }

    // MARK: Tags

    private func list(_ repository: RepositoryName, _ number: Int, _ rules: Ruleset) async throws -> Listed {
        let rule = rules.rules[number]
        var listed = Listed(repository: repository, rule: number)
        func want(_ target: TagOrDigest, isRequired: Bool = true) {
            listed.references.append(
                Wanted(repository: repository, target: target, rule: number, isRequired: isRequired))
        }
        if let targets = rules.listed[number]?[repository] {
            for target in targets { want(target) }
            return listed
        }
        for digest in rule.digests { want(.digest(digest)) }
        let mustExist = rule.namesRepositories && rule.semver == nil
        do {
            let named = try rule.tags.filter(\.isLiteral).map { try Tag($0.description) }
            if rule.namesTags {
                for tag in named
                where !rule.excepts(tag) && rule.semver?.contains(tag.description) ?? true {
                    want(.tag(tag), isRequired: mustExist)
                }
            } else {
                let tags = try await store.source(repository).tags()
                let choice = try TagChoice(rule, of: tags, in: "\(store.name)/\(repository)")
                for tag in choice.tags { want(.tag(tag)) }
                listed.companions = choice.companions.filter(rule.wants)
                if mustExist, rule.newest == nil {
                    let present = Set(choice.tags)
                    for tag in named where !present.contains(tag) && !rule.excepts(tag) { want(.tag(tag)) }
                }
            }
        } catch let error as any Failure where error.kind == .notFound && !rule.namesRepositories {
            // The store listed it: some registries go on doing so when all tags are gone, and then know none of it.
            listed.companions = []
            listed.isUnknown = true
        } catch let error as any Failure where error.kind != .internal {
            listed.failure = error
        }
        return listed
    }

    private func pin(_ wanted: Wanted, by rule: SelectionRule) async throws -> Descriptor {
        guard let pinning else { return try await store.source(wanted.repository).resolve(wanted.target) }
        return try await pinning.pin(
            wanted.target, in: wanted.repository, by: rule, isCompanion: wanted.companionOf != nil)
    }

    private func resolve(_ references: [Wanted], _ rules: Ruleset, _ outcome: inout Outcome) async throws -> [Selected]
    {
        let found = try await map(references, limit: concurrency) { wanted -> Result<NamedImage, any Error> in
            do {
                let descriptor = try await pin(wanted, by: rules.rules[wanted.rule])
                let tag: Tag? = if case .tag(let tag) = wanted.target { tag } else { nil }
                return .success(
                    NamedImage(
                        registry: store.name, repository: wanted.repository, tag: tag, descriptor: descriptor))
            } catch let error as any Failure where error.kind != .internal {
                return .failure(error)
            }
        }
        var selected: [Selected] = []
        selected.reserveCapacity(references.count)
        var absent: [Int: String] = [:]
        for (wanted, result) in zip(references, found) {
            let rule = rules.rules[wanted.rule]
            switch result {
            case .success(let image):
                if let digest = wanted.companionOf {
                    selected.append(rules.companion(image, of: digest, by: wanted.rule))
                } else {
                    selected.append(rules.selected(image, by: wanted.rule))
                }
            case .failure(let error):
                if !wanted.isRequired, FailureKind(of: error) == .notFound {
                    absent[wanted.rule] = rule.summary
                    continue
                }
                let separator = if case .tag = wanted.target { ":" } else { "@" }
                outcome.failures.append(("\(store.name)/\(wanted.repository)\(separator)\(wanted.target)", error))
            }
        }
        let numbers = Set(selected.map(\.ruleNumber))
        for (number, name) in absent.sorted(by: { $0.key < $1.key })
        where !numbers.contains(number + 1)
            && references.contains(where: { $0.rule == number && $0.companionOf == nil })
        {
            outcome.failures.append((name, nothingMatches(rules.rules[number])))
        }
        return selected
    }

    /// Leaves of each repository only its newest images, where the times in them decide.
    private func cut(_ selected: [Selected], _ listed: [Listed], _ rules: Ruleset, _ outcome: inout Outcome)
        async throws -> [Selected]
    {
        let dated = listed.filter { rules.rules[$0.rule].newest?.order == .created }
        guard !dated.isEmpty else { return selected }
        let wanted = Set(dated.map(\.repository))
        var candidates: [RepositoryName: [NamedImage]] = [:]
        for image in selected.map(\.image)
        where image.tag.map({ $0.companionStem == nil }) ?? false && wanted.contains(image.repository) {
            candidates[image.repository, default: []].append(image)
        }
        var kept: [RepositoryName: Set<Tag>] = [:]
        for (repository, images) in candidates.sorted(by: { $0.key < $1.key }) {
            guard let number = rules.owner(of: repository), let newest = rules.rules[number].newest else { continue }
            do {
                kept[repository] = try await self.newest(
                    images, newest.count, from: try await store.source(repository))
            } catch let error as any Failure where error.kind != .internal && error.kind != .local {
                kept[repository] = []
                outcome.failures.append(("\(store.name)/\(repository)", error))
            }
        }
        return selected.filter { entry in
            guard let tag = entry.image.tag, let kept = kept[entry.image.repository] else { return true }
            return kept.contains(tag)
        }
    }
}
