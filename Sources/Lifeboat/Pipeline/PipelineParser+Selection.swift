import OCI
import Yams

/// `images`: which images are meant.
extension PipelineParser {
    func selection(_ node: Node, key: String) -> Selection {
        guard case .sequence(let items) = node else {
            reader.fault("want a list of rules, got \(node.kindName)", at: node, key: key)
            return .all
        }
        if items.isEmpty {
            reader.fault(
                "want a list of rules, got an empty one; without the key all images are meant", at: node, key: key)
        }
        return Selection(rules: items.enumerated().compactMap { number, item in rule(item, key: "\(key)[\(number)]") })
    }

    private func rule(_ node: Node, key: String) -> SelectionRule? {
        let members = reader.members(node, key: key, known: DefinitionKeys.rule)
        let subjects = ["repositories", "list", "kubernetes"].filter { members[$0] != nil }
        guard subjects.count == 1, let subject = subjects.first, let value = members[subject] else {
            if subjects.isEmpty {
                reader.fault("missing, want patterns of repositories", at: node, key: key + ".repositories")
            } else {
                reader.fault("want one of repositories, list and kubernetes", at: node, key: key)
            }
            return nil
        }
        var rule = SelectionRule(matching: [])
        if let kind = ImageList.Kind(rawValue: subject) {
            rule.list = imageList(value, kind: kind, key: "\(key).\(subject)")
            rule.tags = []
            for name in ["tags", "digests"] {
                guard let member = members[name] else { continue }
                reader.fault("\(subject) names the images already", at: member, key: "\(key).\(name)")
            }
        } else {
            rule.repositories = patterns(value, key: key + ".repositories") { _ = try RepositoryName($0) }
        }
        if let except = members["except"] { rule.exceptRepositories = patterns(except, key: key + ".except") }
        if let digests = members["digests"] {
            rule.tags = []
            rule.digests = items(digests, key: key + ".digests", of: "digests").compactMap { _, item in
                reader.value(item, key: key + ".digests") { try Digest(parsing: $0) }
            }
        }
        if let tags = members["tags"] { readTags(tags, into: &rule, key: key + ".tags") }
        if let platforms = members["platforms"] { rule.platforms = self.platforms(platforms, key: key + ".platforms") }
        if let referrers = members["referrers"] { readReferrers(referrers, into: &rule, key: key + ".referrers") }
        return rule
    }

    private func readTags(_ node: Node, into rule: inout SelectionRule, key: String) {
        guard case .mapping = node else {
            rule.tags = tags(node, key: key)
            return
        }
        let members = reader.members(node, key: key, known: DefinitionKeys.tags)
        rule.tags = members["include"].map { tags($0, key: key + ".include") } ?? [.glob(Glob("*"))]
        if let except = members["except"] { rule.exceptTags = patterns(except, key: key + ".except") }
        if let semver = members["semver"] {
            rule.semver = reader.value(semver, key: key + ".semver") { try VersionRange(parsing: $0) }
        }
        let order: SelectionRule.Newest.Order? = members["by"].flatMap { reader.choice($0, key: key + ".by") }
        if let newest = members["newest"] {
            let limit = SelectionRule.Newest.limit
            let count = reader.value(newest, key: key + ".newest") { text in
                guard let count = Int(text), (1...limit).contains(count) else {
                    throw LifeboatError(.policy, "'\(shown(text, limit: 40))' is not a number from 1 to \(limit)")
                }
                return count
            }
            if let count { rule.newest = SelectionRule.Newest(count, by: order ?? .semver) }
        } else if let by = members["by"] {
            reader.fault("orders nothing without newest", at: by, key: key + ".by")
        }
    }

    private func platforms(_ node: Node, key: String) -> [Platform] {
        let items = items(node, key: key, of: "platforms")
        if items.count == 1, items[0].text == "all" { return [] }
        var platforms: [Platform] = []
        for (text, item) in items {
            if text == "all" {
                reader.fault("'all' stands alone, want it or a list of platforms", at: item, key: key)
            } else if let platform = reader.value(item, key: key, { try Platform(parsing: $0) }) {
                platforms.append(platform)
            }
        }
        return platforms
    }

    private func readReferrers(_ node: Node, into rule: inout SelectionRule, key: String) {
        switch node {
        case .mapping(let mapping):
            if mapping.isEmpty { reader.fault("want types, rescan or both", at: node, key: key) }
            let members = reader.members(node, key: key, known: DefinitionKeys.referrers)
            if let types = members["types"] { rule.referrerTypes = patterns(types, key: key + ".types") }
            if let rescan = members["rescan"] {
                rule.rescan = reader.value(rescan, key: key + ".rescan") { try Quantity.interval($0) }
            }
        case .scalar:
            if let flag = reader.flag(node, key: key) { rule.referrers = flag }
        default:
            reader.fault("want true, false or {types: [...], rescan: 7d}, got \(node.kindName)", at: node, key: key)
        }
    }

    /// A file is read when the whole definition is known to be right.
    private func imageList(_ node: Node, kind: ImageList.Kind, key: String) -> ImageList? {
        guard let path = reader.text(node, key: key) else { return nil }
        guard !path.isEmpty else {
            reader.fault("want a path, got nothing", at: node, key: key)
            return nil
        }
        let place = ImageList.Place(
            file: reader.file, line: node.mark?.line ?? 1, column: node.mark?.column ?? 1, key: key)
        return ImageList(kind: kind, path: resolved(path), place: place)
    }

    // MARK: Patterns

    private func tags(_ node: Node, key: String) -> [NamePattern] {
        patterns(node, key: key) { _ = try Tag($0) }
    }

    /// - Parameter check: throws for a name without a wildcard that nothing can have.
    private func patterns(
        _ node: Node, key: String, check: (String) throws -> Void = { _ in }
    ) -> [NamePattern] {
        items(node, key: key, of: "patterns").compactMap { _, item in
            reader.value(item, key: key) { text in
                let pattern = try NamePattern(parsing: text)
                if pattern.isLiteral { try check(text) }
                return pattern
            }
        }
    }

    /// One text or several, but not none.
    private func items(_ node: Node, key: String, of what: String) -> [(text: String, node: Node)] {
        if case .sequence(let items) = node, items.isEmpty {
            reader.fault("want \(what), got an empty list", at: node, key: key)
        }
        return reader.texts(node, key: key)
    }
}
