import OCI

/// Which images of a store are meant. The first rule that matches a repository owns it.
public struct Selection: Sendable, Hashable {
    public var rules: [SelectionRule]
    /// Of a store with images of several registries only those of one; nil for all.
    public var origin: Origin?

    /// Where images of an archive, a folder or a backup come from.
    public enum Origin: Sendable, Hashable {
        case registry(String)
        case unknown

        /// Reads a registry's name, or `none` for images of which nobody knows where they come from.
        public init(parsing text: String) {
            self = text == "none" ? .unknown : .registry(text)
        }

        func isOrigin(of image: NamedImage) -> Bool {
            switch self {
            case .registry(let name): image.registry == name
            case .unknown: image.registry == nil
            }
        }
    }

    public init(rules: [SelectionRule], origin: Origin? = nil) {
        self.rules = rules
        self.origin = origin
    }

    /// Everything that a store holds.
    public static let all = Selection(rules: [SelectionRule(repositories: [Glob("**")])])
}

/// One line of a selection: repositories, and what to take of each.
public struct SelectionRule: Sendable, Hashable {
    public var repositories: [NamePattern]
    public var exceptRepositories: [NamePattern]
    /// Tags to take. Where the repository is named too, those without a wildcard must exist.
    public var tags: [NamePattern]
    public var exceptTags: [NamePattern]
    /// Of these tags, only versions in the range.
    public var semver: VersionRange?
    /// Of these tags, only so many in each repository.
    public var newest: Newest?
    /// Manifests to take by digest, whether or not a tag points to them.
    public var digests: [Digest]
    /// Images named one by one in a file, in place of `repositories`, `tags` and `digests`.
    public var list: ImageList?
    /// None for all.
    public var platforms: [Platform]
    public var referrers: Bool
    /// The artifact types of referrers that are wanted; none for all.
    public var referrerTypes: [NamePattern] = []
    /// How often the referrers of an image that is at the target already are looked up again, zero for each time; nil
    /// for the default.
    public var rescan: Duration?

    public init(
        matching repositories: [NamePattern], except exceptRepositories: [NamePattern] = [],
        tags: [NamePattern] = [.glob(Glob("*"))], exceptTags: [NamePattern] = [], semver: VersionRange? = nil,
        newest: Newest? = nil, digests: [Digest] = [], list: ImageList? = nil, platforms: [Platform] = [],
        referrers: Bool = true
    ) {
        self.repositories = repositories
        self.exceptRepositories = exceptRepositories
        self.tags = tags
        self.exceptTags = exceptTags
        self.semver = semver
        self.newest = newest
        self.digests = digests
        self.list = list
        self.platforms = platforms
        self.referrers = referrers
    }

    /// A rule of globs alone.
    public init(
        repositories: [Glob], exceptRepositories: [Glob] = [], tags: [Glob] = [Glob("*")], exceptTags: [Glob] = [],
        digests: [Digest] = [], platforms: [Platform] = [], referrers: Bool = true
    ) {
        self.init(
            matching: repositories.map { .glob($0) }, except: exceptRepositories.map { .glob($0) },
            tags: tags.map { .glob($0) }, exceptTags: exceptTags.map { .glob($0) }, digests: digests,
            platforms: platforms, referrers: referrers)
    }

    /// How many tags of a repository are wanted, and what makes one newer than another.
    public struct Newest: Sendable, Hashable {
        public enum Order: String, Sendable, CaseIterable {
            /// The precedence of versions; those of one version by name.
            case semver
            /// The time at which the image says that it was made; those of one time by name.
            case created
        }

        /// The most that can be asked for.
        public static let limit = 1_000_000

        public var count: Int
        public var order: Order

        public init(_ count: Int, by order: Order) {
            self.count = count
            self.order = order
        }
    }
}

extension SelectionRule {
    public func matches(_ repository: RepositoryName) -> Bool {
        repositories.contains { $0.matches(repository.description) } && !excepts(repository)
    }

    func excepts(_ repository: RepositoryName) -> Bool {
        exceptRepositories.contains { $0.matches(repository.description) }
    }

    /// Whether the patterns for tags take one; what `semver` and `newest` say of it is not asked.
    public func matches(_ tag: Tag) -> Bool {
        tags.contains { $0.matches(tag.description) } && !excepts(tag)
    }

    func excepts(_ tag: Tag) -> Bool { exceptTags.contains { $0.matches(tag.description) } }

    /// Whether a signature, SBOM or attestation is wanted with its image.
    public func wants(referrer: Descriptor) -> Bool {
        referrers && (referrerTypes.isEmpty || wants(artifactType: referrer.artifactType ?? ""))
    }

    /// Whether a manifest of an index is wanted, by its platform: also one that names none.
    func wants(child: Descriptor) -> Bool {
        guard !platforms.isEmpty, let platform = child.platform else { return true }
        return platforms.contains { $0.matches(platform) }
    }

    /// Whether a tag that belongs to an image is wanted with it.
    ///
    /// A list of referrers is not where only some of them are wanted: what is left of it is listed anew.
    func wants(companion tag: Tag) -> Bool {
        guard referrers, !excepts(tag) else { return false }
        return referrerTypes.isEmpty || tag.companionType.map(wants(artifactType:)) ?? false
    }

    private func wants(artifactType: String) -> Bool { referrerTypes.contains { $0.matches(artifactType) } }

    /// Whether the rule names its repositories one by one, so that no listing is needed.
    var namesRepositories: Bool { list != nil || repositories.allSatisfy(\.isLiteral) }

    /// Whether the rule names its tags one by one.
    var namesTags: Bool { tags.allSatisfy(\.isLiteral) && newest == nil }

    /// Whether manifests without a tag are meant as well: everything is.
    var takesUntagged: Bool { tags.contains(where: \.isAnything) && semver == nil && newest == nil }

    /// The rule on one line, for messages and plans.
    public var summary: String {
        if let list { return list.summary }
        let repositories = repositories.map(\.description).joined(separator: ",")
        if let digest = digests.first, tags.isEmpty { return "\(repositories)@\(digest.short)" }
        var text = repositories + ":" + tags.map(\.description).joined(separator: ",")
        if let semver { text += " semver " + semver.description }
        if let newest { text += " newest \(newest.count) by \(newest.order.rawValue)" }
        return shown(text, limit: 200)
    }
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
