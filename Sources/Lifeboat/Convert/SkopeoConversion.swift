import OCI
import Yams

/// Reads a file of `skopeo sync --src yaml`: registries, and what to take of each.
struct SkopeoConversion {
    let reader: ForeignReader
    /// `HOST[/PREFIX]`; the file does not say where images go.
    let target: String?

    func draft(_ root: Node) -> DefinitionDraft {
        var draft = DefinitionDraft()
        draft.name = "skopeo-sync"
        let registries = reader.members(root, key: "")
        let to = DefinitionDraft.Store(kind: "registry", place: target ?? "$TARGET_REGISTRY")
        if target == nil {
            reader.note(
                "the file does not say where images go: the definition asks for $TARGET_REGISTRY, or give --to",
                at: root,
                key: "target")
        }
        reader.note(
            "images keep their whole repository name at the target, where skopeo sync without --scoped keeps its last part",
            at: root, key: "target")
        for (host, node) in registries.rest.sorted(by: { ($0.value.mark?.line ?? 0) < ($1.value.mark?.line ?? 0) }) {
            registry(host, node, to: to, &draft)
        }
        return draft
    }

    private func registry(_ host: String, _ node: Node, to: DefinitionDraft.Store, _ draft: inout DefinitionDraft) {
        let key = shown(host, limit: 100)
        do {
            _ = try StoreDefinition.registry(parsing: host)
        } catch {
            reader.note("is not a registry: left out", at: node, key: key)
            return
        }
        var members = reader.members(node, key: key)
        var rules: [DefinitionDraft.Rule] = []
        if let images = members.take("images") { rules += byName(images, key: key + ".images") }
        if let images = members.take("images-by-tag-regex") {
            for (repository, value) in named(images, key: key + ".images-by-tag-regex") {
                guard let pattern = GoExpression.convert(value.text, isWhole: false, wildcard: "*") else {
                    reader.note(
                        "'\(shown(value.text, limit: 200))' cannot be said in POSIX extended syntax: left out",
                        at: value.node, key: key + ".images-by-tag-regex.\(repository)")
                    continue
                }
                rules.append(DefinitionDraft.Rule(repositories: [repository], tags: [pattern]))
            }
        }
        if let images = members.take("images-by-semver") {
            for (repository, value) in named(images, key: key + ".images-by-semver") {
                do {
                    let range = try VersionRange(parsing: value.text).description
                    rules.append(DefinitionDraft.Rule(repositories: [repository], semver: range))
                } catch {
                    reader.note(
                        "\(error.description): left out", at: value.node,
                        key: key + ".images-by-semver.\(repository)")
                }
            }
        }
        let store = DefinitionDraft.Store(kind: "registry", place: host)
        if let verify = members.take("tls-verify"), verify.string == "false" {
            draft.options[store, default: []].append(("tls", "{verify: false}"))
        }
        if let credentials = members.take("credentials") {
            var pair = reader.members(credentials, key: key + ".credentials")
            let (user, password) = (pair.take("username"), pair.take("password"))
            pair.end()
            if user != nil || password != nil {
                reader.note(
                    "a password in clear text is not carried over; docker login, or credentials: {username: …, "
                        + "passwordFile: …}", at: password ?? user, key: key + ".credentials")
            }
        }
        members.drop([("cert-dir", "tls: {ca: …} names one PEM file: not carried over")])
        members.end()
        // The first rule that matches a repository owns it: a second one for it gets a step of its own.
        var rounds: [[DefinitionDraft.Rule]] = []
        for rule in rules {
            let place = rounds.firstIndex { round in !round.contains { $0.repositories == rule.repositories } }
            if let place { rounds[place].append(rule) } else { rounds.append([rule]) }
        }
        for round in rounds {
            draft.add(
                DefinitionDraft.Step(
                    name: host, verb: "import", from: draft.declare(store), to: draft.declare(to), rules: round,
                    comment: "line \(node.mark?.line ?? 1)"))
        }
    }

    /// `repository: [tags and digests]`; an empty list means all tags.
    private func byName(_ node: Node, key: String) -> [DefinitionDraft.Rule] {
        let members = reader.members(node, key: key).rest.sorted {
            ($0.value.mark?.line ?? 0) < ($1.value.mark?.line ?? 0)
        }
        return members.compactMap { repository, value in
            guard isRepository(repository, at: value, key: key) else { return nil }
            var rule = DefinitionDraft.Rule(repositories: [repository])
            if value.string == "" || value.string == "null" || value.string == "~" { return rule }
            for (text, item) in reader.texts(value, key: "\(key).\(repository)") {
                if text.contains(":") {
                    rule.digests.append(text)
                } else if text.isEmpty {
                    reader.note("an empty tag: not carried over", at: item, key: "\(key).\(repository)")
                } else {
                    rule.tags.append(text)
                }
            }
            return rule
        }
    }

    private func named(_ node: Node, key: String) -> [(repository: String, value: (text: String, node: Node))] {
        reader.members(node, key: key).rest.sorted { ($0.value.mark?.line ?? 0) < ($1.value.mark?.line ?? 0) }
            .compactMap { repository, value in
                guard isRepository(repository, at: value, key: key) else { return nil }
                guard let text = value.string else {
                    reader.note("want a text, got \(value.kindName): left out", at: value, key: "\(key).\(repository)")
                    return nil
                }
                return (repository, (text, value))
            }
    }

    private func isRepository(_ name: String, at node: Node, key: String) -> Bool {
        do {
            _ = try RepositoryName(name)
            return true
        } catch {
            reader.note("'\(shown(name, limit: 100))' is not a repository: left out", at: node, key: key)
            return false
        }
    }
}
