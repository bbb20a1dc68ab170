import OCI
import Yams

/// `prefix`, `rename` and `retag`: what images are called at the target.
extension PipelineParser {
    func naming(_ members: [String: Node], key: String) -> Naming {
        var naming = Naming()
        if let node = members["prefix"] {
            naming.prefix =
                reader.value(node, key: key + ".prefix") { try RepositoryName($0) }?.description ?? ""
        }
        if let node = members["rename"] {
            naming.rename = rules(node, key: key + ".rename").compactMap { rule, key in
                let members = reader.members(rule, key: key, known: DefinitionKeys.renaming)
                return rewrite(members, at: rule, key: key)
            }
        }
        if let node = members["retag"] {
            naming.retag = rules(node, key: key + ".retag").compactMap { retag($0, key: $1) }
        }
        return naming
    }

    private func rules(_ node: Node, key: String) -> [(Node, String)] {
        guard case .sequence(let items) = node else {
            reader.fault("want a list of rules, got \(node.kindName)", at: node, key: key)
            return []
        }
        return items.enumerated().map { ($1, "\(key)[\($0)]") }
    }

    private func retag(_ node: Node, key: String) -> Retag? {
        let members = reader.members(node, key: key, known: DefinitionKeys.retagging)
        let isByDigest = members["digest"] != nil || members["tag"] != nil
        let isByTag = members["from"] != nil || members["into"] != nil
        if isByDigest, isByTag {
            reader.fault("want either from and into, or digest and tag", at: node, key: key)
            return nil
        }
        guard isByDigest else { return rewrite(members, at: node, key: key).map { .tag($0) } }
        guard let digest = wanted("digest", "a digest", in: members, at: node, key: key),
            let tag = wanted("tag", "a tag", in: members, at: node, key: key),
            let digest = reader.value(digest, key: key + ".digest", { try Digest(parsing: $0) }),
            let tag = reader.value(tag, key: key + ".tag", { try Tag($0) })
        else { return nil }
        return .digest(digest, tag)
    }

    private func rewrite(_ members: [String: Node], at node: Node, key: String) -> Rewrite? {
        let from = wanted("from", "a regular expression for the whole name", in: members, at: node, key: key)
        let into = wanted("into", "what it becomes", in: members, at: node, key: key)
        guard let from, let into, let pattern = reader.text(from, key: key + ".from"),
            let replacement = reader.text(into, key: key + ".into")
        else { return nil }
        do {
            return try Rewrite(from: pattern, into: replacement)
        } catch let error as Rewrite.GroupError {
            reader.fault(error.description, at: into, key: key + ".into")
        } catch {
            reader.fault(FailureReport(error).message, at: from, key: key + ".from")
        }
        return nil
    }

    private func wanted(
        _ name: String, _ what: String, in members: [String: Node], at node: Node, key: String
    ) -> Node? {
        if let member = members[name] { return member }
        if case .mapping = node { reader.fault("missing, want \(what)", at: node, key: key + "." + name) }
        return nil
    }
}
