import OCI

/// Looks up every selected image of one store at another.
struct StoreComparison: Sendable {
    let other: any SourceStore
    /// What the other store calls the images.
    let naming: Naming
    let spool: ManifestSpool
    /// Requests under way at once.
    var concurrency = 16

    /// An image that the other store has, as it has it.
    struct Present: Sendable {
        var image: NamedImage
        var platforms: [Platform]
    }

    struct Outcome: Sendable {
        var comparison: Comparison
        var present: [Present] = []
    }

    /// - Parameters:
    ///   - selected: what there should be.
    ///   - selection: how it was chosen: what else the other store has within it is `extra`.
    ///   - listed: the store that they come from.
    func compare(_ selected: [Selector.Selected], by selection: Selection, from listed: any SourceStore) async throws
        -> Outcome
    {
        let names = try selected.map { try name(of: $0) }
        let found: [Found]
        if let catalog = other as? any ImageCatalog {
            let byName = Dictionary(
                try await catalog.images().map { ($0.name, $0.descriptor) }, uniquingKeysWith: { first, _ in first })
            found = names.map { byName[$0.text].map(Found.descriptor) ?? .nothing }
        } else {
            found = try await map(names, limit: concurrency) { try await look(up: $0) }
        }
        let wanted = try await map(selected, limit: concurrency) { try await digest(of: $0, in: listed) }
        var outcome = Outcome(comparison: Comparison(listed: listed.name, compared: other.name))
        var listedLines: [String] = []
        var comparedLines: [String] = []
        for (number, found) in found.enumerated() {
            let (name, want) = (names[number], wanted[number])
            listedLines.append("\(name.text) \(want)\n")
            switch found {
            case .descriptor(let descriptor):
                comparedLines.append("\(name.text) \(descriptor.digest)\n")
                outcome.present.append(
                    Present(
                        image: NamedImage(
                            registry: other.name, repository: name.repository, tag: name.tag, descriptor: descriptor),
                        platforms: selected[number].rule.platforms))
                if descriptor.digest == want {
                    outcome.comparison.same += 1
                } else {
                    outcome.comparison.differences.append(
                        .different(name: name.text, got: descriptor.digest, want: want))
                }
            case .nothing: outcome.comparison.differences.append(.missing(name: name.text, want: want))
            case .failure(let failure):
                outcome.comparison.differences.append(.unreadable(name: name.text, failure))
            }
        }
        outcome.comparison.listedDigest = Digest(of: Array(listedLines.sorted().joined().utf8))
        outcome.comparison.comparedDigest = Digest(of: Array(comparedLines.sorted().joined().utf8))
        outcome.comparison.listedCount = listedLines.count
        outcome.comparison.comparedCount = comparedLines.count
        outcome.comparison.extra = try await extra(names, selected, selection)
        return outcome
    }

    private struct Name: Sendable {
        var repository: RepositoryName
        var tag: Tag?
        var digest: Digest

        var text: String { repository.description + (tag.map { ":\($0)" } ?? "@\(digest)") }
    }

    private enum Found: Sendable {
        case descriptor(Descriptor)
        case nothing
        case failure(FailureReport)
    }

    private func name(of selected: Selector.Selected) throws -> Name {
        let (repository, tag) = try naming.target(for: selected)
        return Name(repository: repository, tag: tag, digest: selected.image.descriptor.digest)
    }

    private func look(up name: Name) async throws -> Found {
        do {
            let reference: TagOrDigest = name.tag.map { .tag($0) } ?? .digest(name.digest)
            return .descriptor(try await other.source(name.repository).resolve(reference))
        } catch let error as any Failure where error.kind != .internal {
            return error.kind == .notFound ? .nothing : .failure(FailureReport(error, among: [other.name]))
        }
    }

    /// What the tag should point to: with one platform chosen that platform's manifest.
    private func digest(of selected: Selector.Selected, in store: any SourceStore) async throws -> Digest {
        let image = selected.image
        guard selected.rule.platforms.count == 1, image.descriptor.mediaType.isIndex else {
            return image.descriptor.digest
        }
        let reader = SpooledReader(source: try await store.source(image.repository), spool: spool)
        return try await ImageGraph.read(
            image.descriptor, platforms: selected.rule.platforms, referrers: false, from: reader
        ).root.digest
    }

    // MARK: What else is there

    /// Tags of the other store that the selection would have taken, had the listed store had them.
    private func extra(_ names: [Name], _ selected: [Selector.Selected], _ selection: Selection) async throws
        -> [String]
    {
        // A tag of the other side cannot be asked what it was called before.
        guard naming.retag.isEmpty else { return [] }
        let known = Set(names.map(\.text))
        var rules: [RepositoryName: SelectionRule] = [:]
        for (name, selected) in zip(names, selected) where rules[name.repository] == nil {
            rules[name.repository] = selected.rule
        }
        if let catalog = other as? any ImageCatalog {
            return try await catalog.images().filter { image in
                let rule = rules[image.repository] ?? rule(for: image.repository, selection)
                guard let rule, let tag = image.tag else { return false }
                return rule.matches(tag) && !tag.listsReferrers && !known.contains(image.name)
            }.map(\.name).sorted()
        }
        if selection.rules.contains(where: { !$0.namesRepositories }) {
            for repository in try await repositories() where rules[repository] == nil {
                if let rule = rule(for: repository, selection) { rules[repository] = rule }
            }
        }
        let listings = try await map(
            rules.filter { !$0.value.namesTags }.sorted { $0.key < $1.key }, limit: concurrency
        ) { repository, rule -> [String] in
            do {
                return try await other.source(repository).tags()
                    .filter { rule.matches($0) && !$0.listsReferrers }
                    .map { "\(repository):\($0)" }
            } catch let error as any Failure where error.kind == .notFound {
                return []
            }
        }
        return listings.flatMap(\.self).filter { !known.contains($0) }
    }

    /// The rule that owns a repository of the other store under the name that the listed store would give it.
    private func rule(for repository: RepositoryName, _ selection: Selection) -> SelectionRule? {
        guard let original = naming.original(of: repository) else { return nil }
        return selection.rules.first { $0.matches(original) }
    }

    /// None where the registry does not list them: what is extra is information only.
    private func repositories() async throws -> [RepositoryName] {
        do {
            return try await other.repositories()
        } catch let error as any Failure where [.notFound, .auth, .protocolViolation].contains(error.kind) {
            return []
        }
    }
}
