import OCI

/// The rules of a selection as they apply to one store: who owns which repository, and what a list names in it.
struct Ruleset: Sendable {
    let rules: [SelectionRule]
    /// The rules for images, and for what belongs to one and has no platform of its own.
    private let applied: [(image: Selector.AppliedRule, companion: Selector.AppliedRule)]
    /// By rule, what its list names in this store; nil for a rule of patterns.
    private(set) var listed: [[RepositoryName: [TagOrDigest]]?] = []
    /// What a reader should know of lists.
    private(set) var notes: [String] = []

    /// - Parameter hosts: the registries that the store's images are from; empty where that is not known, and any may
    ///   be meant.
    init(_ selection: Selection, of store: String, hosts: Set<String>) throws {
        rules = selection.rules
        applied = selection.rules.enumerated().map { number, rule in
            var companion = rule
            companion.platforms = []
            return (
                Selector.AppliedRule(rule, number: number + 1), Selector.AppliedRule(companion, number: number + 1)
            )
        }
        let hosts = Set(hosts.map { Reference.canonical(registry: $0) })
        for rule in rules {
            guard let list = rule.list else {
                listed.append(nil)
                continue
            }
            guard let contents = list.contents else {
                throw LifeboatError(.internal, "\(list.summary) was not read before its images are looked for")
            }
            var targets: [RepositoryName: [TagOrDigest]] = [:]
            var passedOver = 0
            var example: ListedImage?
            for image in contents.images {
                guard let image = hosts.isEmpty ? image : hosts.lazy.compactMap({ image.within($0) }).first else {
                    passedOver += 1
                    if example == nil { example = image }
                    continue
                }
                guard !rule.excepts(image.repository) else { continue }
                // Docker Hub keeps what has no slash under `library`.
                let repository =
                    image.registry == nil && hosts == ["docker.io"] && !image.repository.description.contains("/")
                    ? try RepositoryName("library/" + image.repository.description) : image.repository
                targets[repository, default: []].append(image.target)
            }
            listed.append(targets)
            if let example, let registry = example.registry {
                notes.append(
                    "\(list.summary) names \(passedOver) images of other registries than \(store), which are passed "
                        + "over, such as \(registry)/\(example.repository)")
            }
            if let unread = contents.unreadExample {
                notes.append(
                    "\(list.summary) has \(contents.unread) values that name no image, such as \(unread)")
            }
        }
    }

    /// - Parameter number: the rule's number, from 0.
    func selected(_ image: NamedImage, by number: Int) -> Selector.Selected {
        Selector.Selected(image: image, applied: applied[number].image)
    }

    func companion(_ image: NamedImage, of digest: Digest, by number: Int) -> Selector.Selected {
        Selector.Selected(image: image, applied: applied[number].companion, companionOf: digest)
    }

    /// The first rule that matches a repository.
    func owner(of repository: RepositoryName) -> Int? {
        rules.indices.first { number in
            if let listed = listed[number] { listed[repository] != nil } else { rules[number].matches(repository) }
        }
    }

    /// The repositories that a rule names one by one.
    func named(by number: Int) throws -> [RepositoryName] {
        if let listed = listed[number] { return listed.keys.sorted() }
        guard rules[number].namesRepositories else { return [] }
        return try rules[number].repositories.map { try RepositoryName($0.description) }
            .filter(rules[number].matches)
    }
}
