import OCI

/// Which of a repository's tags a rule means, by their names alone.
struct TagChoice: Sendable {
    /// In the order of the list. With `newest` by time these are the candidates.
    var tags: [Tag] = []
    /// Signatures and the like, which come with the images that they belong to.
    var companions: [Tag] = []

    /// - Throws: `LifeboatError` of kind `.policy` for tags that cannot be ordered, as `newest` would need.
    init(_ rule: SelectionRule, of list: [Tag], in repository: String) throws(LifeboatError) {
        let named = Set(rule.tags.filter(\.isLiteral).map(\.description))
        for tag in list {
            if tag.companionStem != nil {
                companions.append(tag)
                // By itself only where all is taken, or where it is named.
                let isMeant = rule.takesUntagged ? rule.wants(companion: tag) : named.contains(tag.description)
                if isMeant, rule.matches(tag) { tags.append(tag) }
            } else if rule.matches(tag), rule.semver?.contains(tag.description) ?? true {
                tags.append(tag)
            }
        }
        if let newest = rule.newest, newest.order == .semver {
            tags = try TagChoice.newest(
                tags.filter { $0.companionStem == nil }, newest.count, takesAll: rule.semver != nil, in: repository)
        }
    }

    /// Pre-releases count where there is nothing else; a range has said itself whether it means them.
    private static func newest(
        _ tags: [Tag], _ count: Int, takesAll: Bool, in repository: String
    ) throws(LifeboatError) -> [Tag] {
        var versions: [(version: SemanticVersion, tag: Tag)] = []
        var others: [Tag] = []
        for tag in tags {
            if let version = SemanticVersion(tag.description) {
                versions.append((version, tag))
            } else {
                others.append(tag)
            }
        }
        guard others.isEmpty else {
            throw cannotOrder(
                others, of: repository, because: "no version",
                advice: "leave them out with except, or take what is a version with semver: '*'")
        }
        let releases = versions.filter(\.version.prerelease.isEmpty)
        if !takesAll, !releases.isEmpty { versions = releases }
        versions.sort { ($0.version, $0.tag) > ($1.version, $1.tag) }
        return versions.prefix(count).map(\.tag).sorted()
    }

    /// The error that names tags for which `newest` would be a guess.
    static func cannotOrder(_ tags: [Tag], of repository: String, because reason: String, advice: String)
        -> LifeboatError
    {
        let shown = tags.prefix(5).map(\.description).joined(separator: ", ")
        let more = tags.count > 5 ? " and \(tags.count - 5) more" : ""
        return LifeboatError(
            .policy,
            "tags of \(repository) cannot be ordered: \(shown)\(more) \(tags.count == 1 ? "has" : "have") "
                + reason, advice: advice)
    }
}
