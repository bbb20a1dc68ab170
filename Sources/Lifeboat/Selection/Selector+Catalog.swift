import OCI

/// Stores that know their images: choosing costs nothing.
extension Selector {
    private struct Place: Hashable {
        var registry: String?
        var repository: RepositoryName
    }

    func select(_ selection: Selection, from catalog: any ImageCatalog) async throws -> Outcome {
        let images = try await catalog.images().filter { selection.origin?.isOrigin(of: $0) ?? true }
        let rules = try Ruleset(selection, of: store.name, hosts: Set(images.compactMap(\.registry)))
        var outcome = Outcome(notes: rules.notes)
        var isUsed = [Bool](repeating: false, count: rules.rules.count)
        var found: Set<RepositoryName> = []
        var start = images.startIndex
        // Images come sorted: those of one repository stand together.
        while start < images.endIndex {
            let place = Place(registry: images[start].registry, repository: images[start].repository)
            let end =
                images[start...].firstIndex { $0.registry != place.registry || $0.repository != place.repository }
                ?? images.endIndex
            defer { start = end }
            guard let owner = rules.owner(of: place.repository) else { continue }
            found.insert(place.repository)
            do {
                let (selected, failures) = try await choose(images[start..<end], owner, rules, from: catalog)
                if !selected.isEmpty || !failures.isEmpty { isUsed[owner] = true }
                outcome.selected += selected
                outcome.failures += failures
            } catch let error as any Failure where error.kind != .internal && error.kind != .local {
                isUsed[owner] = true
                outcome.failures.append(("\(store.name)/\(place.repository)", error))
            }
        }
        for (number, rule) in rules.rules.enumerated() {
            if let listed = rules.listed[number], isUsed[number] {
                for repository in listed.keys.sorted()
                where !found.contains(repository) && rules.owner(of: repository) == number {
                    outcome.failures.append(("\(store.name)/\(repository)", missing("\(repository)")))
                }
            }
            guard !isUsed[number] else { continue }
            let owners = Set(images.filter { rule.matches($0.repository) }.map { rules.owner(of: $0.repository) })
            if owners.isEmpty || owners.contains(number) {
                outcome.failures.append((rule.summary, nothingMatches(rule)))
            } else {
                outcome.notes.append(starved(rule, number))
            }
        }
        return outcome
    }

    private func missing(_ name: String) -> LifeboatError {
        LifeboatError(
            .notFound, "\(store.name) has no \(name)", advice: "lifeboat list \(store.name) shows what is there")
    }

    /// What a rule takes of one repository.
    private func choose(
        _ images: ArraySlice<NamedImage>, _ number: Int, _ rules: Ruleset, from catalog: any ImageCatalog
    ) async throws -> (selected: [Selected], failures: [(name: String, error: any Error)]) {
        guard let first = images.first else { return ([], []) }
        let rule = rules.rules[number]
        let repository = first.repository
        var failures: [(name: String, error: any Error)] = []
        var chosen: Set<Tag> = []
        var digests = rule.digests
        let tags = images.compactMap(\.tag)
        // Tags that have to be there.
        var named: [Tag] = []
        if let listed = rules.listed[number]?[repository] {
            for target in listed {
                switch target {
                case .tag(let tag): named.append(tag)
                case .digest(let digest): digests.append(digest)
                }
            }
            chosen = Set(named)
        } else {
            chosen = Set(try TagChoice(rule, of: tags, in: "\(store.name)/\(repository)").tags)
            if rule.namesRepositories, rule.newest == nil, rule.semver == nil {
                for pattern in rule.tags where pattern.isLiteral { named.append(try Tag(pattern.description)) }
            }
            if let newest = rule.newest, newest.order == .created {
                let candidates = images.filter { $0.tag.map(chosen.contains) ?? false }
                chosen = try await self.newest(
                    Array(candidates), newest.count, from: try await catalog.source(repository))
            }
        }
        let present = Set(tags)
        for tag in named where !present.contains(tag) && !rule.excepts(tag) {
            failures.append(("\(store.name)/\(repository):\(tag)", missing("\(repository):\(tag)")))
        }
        let takesUntagged = rules.listed[number] == nil && rule.takesUntagged
        var selected: [Selected] = []
        for image in images where image.tag.map(chosen.contains) ?? takesUntagged {
            selected.append(rules.selected(image, by: number))
        }
        let taken = Set(selected.map(\.image))
        let byDigest = digests.isEmpty ? [:] : Dictionary(grouping: images, by: \.descriptor.digest)
        for digest in digests {
            // A tag that points to it comes with it: that is what the image is called here.
            let known = byDigest[digest] ?? []
            for image in known where !taken.contains(image) {
                selected.append(rules.selected(image, by: number))
            }
            guard known.isEmpty else { continue }
            do {
                let descriptor = try await catalog.source(repository).resolve(.digest(digest))
                let image = NamedImage(
                    registry: first.registry, repository: repository, tag: nil, descriptor: descriptor)
                selected.append(rules.selected(image, by: number))
            } catch let error as any Failure where error.kind == .notFound {
                failures.append(("\(store.name)/\(repository)@\(digest)", error))
            }
        }
        selected = try await adding(companionsIn: images, to: selected, rules, number, from: catalog)
        return (selected, failures)
    }

    /// What belongs by its tag to an image that is selected, or to a child of one.
    private func adding(
        companionsIn images: ArraySlice<NamedImage>, to selected: [Selected], _ rules: Ruleset, _ number: Int,
        from catalog: any ImageCatalog
    ) async throws -> [Selected] {
        let rule = rules.rules[number]
        var byStem: [Tag: [NamedImage]] = [:]
        for image in images {
            guard let tag = image.tag, let stem = tag.companionStem, rule.wants(companion: tag) else { continue }
            byStem[stem, default: []].append(image)
        }
        guard !byStem.isEmpty, let repository = images.first?.repository else { return selected }
        let source = try await catalog.source(repository)
        var owners: [Tag: Digest] = [:]
        let roots = selected.map(\.image).filter { $0.tag?.companionStem == nil }.map(\.descriptor)
        let digests = roots.map(\.digest) + (try await children(of: roots, from: source, rule))
        for digest in digests { owners[Tag(referrersOf: digest)] = digest }
        var result = selected
        for index in result.indices {
            guard let stem = result[index].image.tag?.companionStem, let owner = owners[stem] else { continue }
            result[index] = rules.companion(result[index].image, of: owner, by: number)
        }
        let known = Set(result.compactMap(\.image.tag))
        for (stem, companions) in byStem.sorted(by: { $0.key < $1.key }) {
            guard let owner = owners[stem] else { continue }
            for image in companions where !(image.tag.map(known.contains) ?? true) {
                result.append(rules.companion(image, of: owner, by: number))
            }
        }
        return result
    }
}
