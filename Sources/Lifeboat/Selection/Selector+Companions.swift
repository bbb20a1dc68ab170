import OCI

/// Registries: what belongs to an image by its tag.
extension Selector {
    /// Lists the tags of repositories whose images were named one by one, where that is allowed.
    func listCompanions(of selected: [Selected], _ listed: [Listed], _ rules: Ruleset) async throws -> [Listed] {
        let present = Set(selected.map(\.image.repository))
        return try await map(listed, limit: concurrency) { entry in
            var entry = entry
            let rule = rules.rules[entry.rule]
            guard entry.companions == nil, entry.failure == nil, rule.referrers, present.contains(entry.repository)
            else { return entry }
            do {
                let tags = try await store.source(entry.repository).tags()
                entry.companions = tags.filter { $0.companionStem != nil && rule.wants(companion: $0) }
            } catch let error as any Failure where error.kind != .internal && error.kind != .local {
                // Not allowed, or not possible: they are asked for one by one.
                entry.companions = nil
            }
            return entry
        }
    }

    /// What to ask for because it belongs to one of the images, and is not selected by itself already.
    ///
    /// What is gets to know its image.
    func companions(
        of selected: inout [Selected], _ listed: [Listed], _ rules: Ruleset
    ) async throws -> [Wanted] {
        var numbers: [RepositoryName: [Int]] = [:]
        for (number, entry) in selected.enumerated() { numbers[entry.image.repository, default: []].append(number) }
        var wanted: [Wanted] = []
        for entry in listed {
            let rule = rules.rules[entry.rule]
            guard rule.referrers, entry.failure == nil, let images = numbers[entry.repository] else { continue }
            var owners: [Tag: Digest] = [:]
            var order: [Digest] = []
            var known: Set<Tag> = []
            for number in images {
                let image = selected[number].image
                if let tag = image.tag { known.insert(tag) }
                guard image.tag?.companionStem == nil else { continue }
                let digest = image.descriptor.digest
                if owners.updateValue(digest, forKey: Tag(referrersOf: digest)) == nil { order.append(digest) }
            }
            for number in images {
                guard let stem = selected[number].image.tag?.companionStem, let owner = owners[stem] else { continue }
                selected[number] = rules.companion(selected[number].image, of: owner, by: entry.rule)
            }
            // Who signs an index recursively signs its children too. Where tags are listed, they say whether anybody has.
            let isSigned = entry.companions?.contains {
                $0.companionType != nil && owners[$0.companionStem ?? $0] == nil
            }
            if isSigned ?? true {
                let roots = images.map { selected[$0].image }.filter { $0.tag?.companionStem == nil }
                let source = try await store.source(entry.repository)
                for child in try await children(of: roots.map(\.descriptor), from: source, rule)
                where owners.updateValue(child, forKey: Tag(referrersOf: child)) == nil { order.append(child) }
            }
            if let companions = entry.companions {
                for tag in companions where !known.contains(tag) {
                    guard let stem = tag.companionStem, let owner = owners[stem] else { continue }
                    wanted.append(
                        Wanted(repository: entry.repository, target: .tag(tag), rule: entry.rule, companionOf: owner))
                }
            } else {
                for digest in order {
                    for tag in Tag.companions(of: digest) where rule.wants(companion: tag) && !known.contains(tag) {
                        wanted.append(
                            Wanted(
                                repository: entry.repository, target: .tag(tag), rule: entry.rule, isRequired: false,
                                companionOf: digest))
                    }
                }
            }
        }
        return wanted
    }
}
