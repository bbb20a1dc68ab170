import OCI
import Yams

/// `images`: which images are meant.
extension PipelineParser {
    func selection(_ node: Node, key: String) -> Selection {
        guard case .sequence(let items) = node else {
            reader.fault("want a list of rules, got \(node.kindName)", at: node, key: key)
            return .all
        }
        return Selection(rules: items.enumerated().compactMap { number, item in rule(item, key: "\(key)[\(number)]") })
    }

    private func rule(_ node: Node, key: String) -> SelectionRule? {
        let members = reader.members(node, key: key, known: DefinitionKeys.rule)
        guard let repositories = members["repositories"] else {
            reader.fault("missing, want patterns of repositories", at: node, key: key + ".repositories")
            return nil
        }
        var rule = SelectionRule(repositories: globs(repositories, key: key + ".repositories"))
        if let except = members["except"] { rule.exceptRepositories = globs(except, key: key + ".except") }
        if let digests = members["digests"] {
            rule.tags = []
            rule.digests = reader.texts(digests, key: key + ".digests").compactMap { _, item in
                reader.value(item, key: key + ".digests") { try Digest(parsing: $0) }
            }
        }
        if let tags = members["tags"] { readTags(tags, into: &rule, key: key + ".tags") }
        if let platforms = members["platforms"] {
            rule.platforms = reader.texts(platforms, key: key + ".platforms").compactMap { text, item in
                text == "all" ? nil : reader.value(item, key: key + ".platforms") { try Platform(parsing: $0) }
            }
        }
        if let referrers = members["referrers"], let flag = reader.flag(referrers, key: key + ".referrers") {
            rule.referrers = flag
        }
        return rule
    }

    private func readTags(_ node: Node, into rule: inout SelectionRule, key: String) {
        guard case .mapping = node else {
            rule.tags = globs(node, key: key)
            return
        }
        let members = reader.members(node, key: key, known: DefinitionKeys.tags)
        rule.tags = members["include"].map { globs($0, key: key + ".include") } ?? [Glob("*")]
        if let except = members["except"] { rule.exceptTags = globs(except, key: key + ".except") }
    }

    private func globs(_ node: Node, key: String) -> [Glob] {
        reader.texts(node, key: key).map { Glob($0.text) }
    }
}
