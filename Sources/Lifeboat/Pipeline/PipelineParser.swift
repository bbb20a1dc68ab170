import OCI
import Yams

/// Turns the nodes of a definition into steps. Faults go to the reader; what is returned then is not used.
struct PipelineParser {
    let reader: DefinitionReader
    let folder: String

    func pipeline(_ root: Node) -> Pipeline? {
        let members = reader.members(root, key: "", known: ["version", "name", "stores", "images", "steps"])
        if let version = members["version"] {
            if let text = reader.text(version, key: "version"), text != "1" {
                reader.fault("'\(shown(text, limit: 40))' is not known, want 1", at: version, key: "version")
            }
        } else {
            reader.fault("missing, want 1", at: root, key: "version")
        }
        let name = members["name"].flatMap { reader.text($0, key: "name") } ?? "pipeline"
        var stores: [String: StoreDefinition] = [:]
        if let node = members["stores"] {
            for (name, store) in reader.members(node, key: "stores", known: []) {
                // One that is wrong is declared all the same: it has its fault, and needs no second one where it is used.
                stores[name] = self.store(store, key: "stores.\(name)") ?? .archive(path: "\(name).tar")
            }
        } else {
            reader.fault("missing, want the stores that the steps name", at: root, key: "stores")
        }
        let images = members["images"].map { selection($0, key: "images") }
        guard let node = members["steps"] else {
            reader.fault("missing, want a list of steps", at: root, key: "steps")
            return nil
        }
        guard case .sequence(let items) = node else {
            reader.fault("want a list of steps, got \(node.kindName)", at: node, key: "steps")
            return nil
        }
        if items.isEmpty { reader.fault("want a list of steps, got an empty one", at: node, key: "steps") }
        var steps: [Step] = []
        var names: Set<String> = []
        for (number, item) in items.enumerated() {
            let key = "steps[\(number)]"
            guard let step = step(item, key: key, number: number, stores: stores, images: images) else { continue }
            if !names.insert(step.name).inserted {
                reader.fault("the name '\(shown(step.name, limit: 80))' stands twice", at: item, key: key + ".name")
            }
            steps.append(step)
        }
        return Pipeline(name: name, steps: steps)
    }

    // MARK: Stores

    private func store(_ node: Node, key: String) -> StoreDefinition? {
        let members = reader.members(node, key: key, known: ["registry", "archive", "layout"])
        guard members.count == 1, let (kind, value) = members.first else {
            if !members.isEmpty || isEmptyMapping(node) {
                reader.fault("want one of registry, archive and layout", at: node, key: key)
            }
            return nil
        }
        let key = key + "." + kind
        switch kind {
        case "registry": return reader.value(value, key: key) { try StoreDefinition.registry(parsing: $0) }
        case "archive":
            guard let path = reader.text(value, key: key) else { return nil }
            guard StoreDefinition.archiveSuffixes.contains(where: path.hasSuffix) else {
                reader.fault(
                    "'\(shown(path, limit: 200))' has no known suffix, want one of "
                        + StoreDefinition.archiveSuffixes.joined(separator: ", "), at: value, key: key)
                return nil
            }
            return .archive(path: resolved(path))
        default: return reader.text(value, key: key).map { .layout(path: resolved($0)) }
        }
    }

    private func isEmptyMapping(_ node: Node) -> Bool {
        if case .mapping(let mapping) = node { mapping.isEmpty } else { false }
    }

    /// Relative paths are relative to the definition.
    private func resolved(_ path: String) -> String {
        path.hasPrefix("/") || folder == "." ? path : folder + "/" + path
    }

    private func storeNamed(_ node: Node, key: String, in stores: [String: StoreDefinition]) -> StoreDefinition? {
        guard let name = reader.text(node, key: key) else { return nil }
        if let store = stores[name] { return store }
        let known = stores.keys.sorted().joined(separator: ", ")
        reader.fault("there is no store '\(shown(name, limit: 80))'; declared: \(known)", at: node, key: key)
        return nil
    }

    // MARK: Selection

    private func selection(_ node: Node, key: String) -> Selection {
        guard case .sequence(let items) = node else {
            reader.fault("want a list of rules, got \(node.kindName)", at: node, key: key)
            return .all
        }
        return Selection(rules: items.enumerated().compactMap { number, item in rule(item, key: "\(key)[\(number)]") })
    }

    private func rule(_ node: Node, key: String) -> SelectionRule? {
        let members = reader.members(
            node, key: key, known: ["repositories", "except", "tags", "digests", "platforms", "referrers"])
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
        let members = reader.members(node, key: key, known: ["include", "except"])
        rule.tags = members["include"].map { globs($0, key: key + ".include") } ?? [Glob("*")]
        if let except = members["except"] { rule.exceptTags = globs(except, key: key + ".except") }
    }

    private func globs(_ node: Node, key: String) -> [Glob] {
        reader.texts(node, key: key).map { Glob($0.text) }
    }

    // MARK: Steps

    private func step(
        _ node: Node, key: String, number: Int, stores: [String: StoreDefinition], images: Selection?
    ) -> Step? {
        let members = reader.members(node, key: key, known: ["name", "export", "import", "verify"])
        let verbs = ["export", "import", "verify"].filter { members[$0] != nil }
        guard verbs.count == 1, let verb = verbs.first, let body = members[verb] else {
            reader.fault("want one of export, import and verify", at: node, key: key)
            return nil
        }
        let name = members["name"].flatMap { reader.text($0, key: key + ".name") } ?? "\(verb)-\(number + 1)"
        let bodyKey = key + "." + verb
        switch verb {
        case "verify": return verify(body, key: bodyKey, name: name, stores: stores, images: images)
        default:
            return copy(
                body, key: bodyKey, name: name, kind: verb == "export" ? .export : .import, stores: stores,
                images: images)
        }
    }

    private func copy(
        _ node: Node, key: String, name: String, kind: StepReport.Kind, stores: [String: StoreDefinition],
        images: Selection?
    ) -> Step? {
        let members = reader.members(
            node, key: key, known: ["from", "to", "images", "prefix", "overwrite", "onError", "force"])
        guard let from = required("from", in: members, of: node, key: key),
            let to = required("to", in: members, of: node, key: key)
        else { return nil }
        let source = storeNamed(from, key: key + ".from", in: stores)
        let target = storeNamed(to, key: key + ".to", in: stores)
        let selection = members["images"].map { self.selection($0, key: key + ".images") } ?? images ?? .all
        let overwrite: Overwrite? = members["overwrite"].flatMap { reader.choice($0, key: key + ".overwrite") }
        let onError: OnError? = members["onError"].flatMap { reader.choice($0, key: key + ".onError") }
        let force = members["force"].flatMap { reader.flag($0, key: key + ".force") } ?? false
        var prefix =
            members["prefix"].flatMap { reader.value($0, key: key + ".prefix") { try RepositoryName($0) } }?.description
            ?? ""
        guard let source, let target else { return nil }
        if source == target {
            reader.fault("from and to are the same store", at: to, key: key + ".to")
        }
        switch (kind, target) {
        case (.export, .registry):
            reader.fault(
                "export writes an archive or a layout, this store is a registry; use import", at: to, key: key + ".to")
        case (.import, .archive), (.import, .layout):
            reader.fault(
                "import writes to a registry, this store is a file or folder; use export", at: to, key: key + ".to")
        default: break
        }
        if case .registry(_, let path) = target, !path.isEmpty { prefix = prefix.isEmpty ? path : path + "/" + prefix }
        let step = CopyStep(
            kind: kind, sources: [SourceDefinition(store: source, selection: selection)], target: target,
            naming: Naming(prefix: prefix), overwrite: overwrite ?? .never, replacesFile: force)
        return Step(name: name, work: .copy(step), onError: onError ?? .stop)
    }

    private func verify(
        _ node: Node, key: String, name: String, stores: [String: StoreDefinition], images: Selection?
    ) -> Step? {
        let members = reader.members(node, key: key, known: ["store", "against", "images", "onError"])
        guard let checked = required("store", in: members, of: node, key: key),
            let store = storeNamed(checked, key: key + ".store", in: stores)
        else { return nil }
        let selection = members["images"].map { self.selection($0, key: key + ".images") } ?? images ?? .all
        let onError: OnError? = members["onError"].flatMap { reader.choice($0, key: key + ".onError") }
        let step: VerifyStep
        if let against = members["against"] {
            guard let other = storeNamed(against, key: key + ".against", in: stores) else { return nil }
            var naming = Naming()
            if case .registry(_, let prefix) = store { naming.prefix = prefix }
            // The list comes from what it should be, and is looked up in what it is.
            step = VerifyStep(
                sources: [SourceDefinition(store: other, selection: selection)], against: store, naming: naming)
        } else {
            step = VerifyStep(sources: [SourceDefinition(store: store, selection: selection)], against: nil)
        }
        return Step(name: name, work: .verify(step), onError: onError ?? .stop)
    }

    private func required(_ name: String, in members: [String: Node], of node: Node, key: String) -> Node? {
        if let member = members[name] { return member }
        reader.fault("missing, want the name of a store", at: node, key: key + "." + name)
        return nil
    }
}
