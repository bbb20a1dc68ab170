import OCI

/// Which images of a store are meant. The first rule that matches a repository owns it.
public struct Selection: Sendable, Hashable {
    public var rules: [SelectionRule]

    public init(rules: [SelectionRule]) {
        self.rules = rules
    }

    /// Everything that a store holds.
    public static let all = Selection(rules: [SelectionRule(repositories: [Glob("**")])])
}

/// One line of a selection: repositories, and what to take of each.
public struct SelectionRule: Sendable, Hashable {
    public var repositories: [Glob]
    public var exceptRepositories: [Glob]
    /// Tags to take. Names without a wildcard must exist.
    public var tags: [Glob]
    public var exceptTags: [Glob]
    /// Manifests to take by digest, whether or not a tag points to them.
    public var digests: [Digest]
    /// None for all.
    public var platforms: [Platform]
    public var referrers: Bool

    public init(
        repositories: [Glob], exceptRepositories: [Glob] = [], tags: [Glob] = [Glob("*")], exceptTags: [Glob] = [],
        digests: [Digest] = [], platforms: [Platform] = [], referrers: Bool = true
    ) {
        self.repositories = repositories
        self.exceptRepositories = exceptRepositories
        self.tags = tags
        self.exceptTags = exceptTags
        self.digests = digests
        self.platforms = platforms
        self.referrers = referrers
    }

    public func matches(_ repository: RepositoryName) -> Bool {
        repositories.contains { $0.matches(repository.description) }
            && !exceptRepositories.contains { $0.matches(repository.description) }
    }

    public func matches(_ tag: Tag) -> Bool {
        tags.contains { $0.matches(tag.description) } && !exceptTags.contains { $0.matches(tag.description) }
    }

    /// Whether the rule names its repositories one by one, so that no listing is needed.
    var namesRepositories: Bool { repositories.allSatisfy(\.isLiteral) }

    /// Whether the rule names its tags one by one.
    var namesTags: Bool { tags.allSatisfy(\.isLiteral) }
}

extension SelectionRule {
    /// The rule for exactly one image.
    public init(_ reference: Reference, platforms: [Platform] = [], referrers: Bool = true) {
        self.init(
            repositories: [Glob(reference.repository.description)],
            tags: reference.digest == nil ? [Glob((reference.tag ?? .latest).description)] : [],
            digests: reference.digest.map { [$0] } ?? [], platforms: platforms, referrers: referrers)
    }

    /// Reads `repository-pattern[:tag-pattern]`; without a tag pattern all tags are meant.
    public init(pattern: some StringProtocol, platforms: [Platform] = [], referrers: Bool = true) {
        var repository = pattern[...]
        var tag = Glob("*")
        if let colon = pattern.lastIndex(of: ":"), !pattern[colon...].contains("/") {
            repository = pattern[..<colon]
            tag = Glob(pattern[pattern.index(after: colon)...])
        }
        self.init(repositories: [Glob(repository)], tags: [tag], platforms: platforms, referrers: referrers)
    }
}
