import OCI
import Yams

/// `steps`: what is done, in order.
extension PipelineParser {
    func step(
        _ node: Node, key: String, number: Int, stores: [String: StoreDefinition], images: Selection?
    ) -> Step? {
        let members = reader.members(node, key: key, known: DefinitionKeys.step)
        let verbs = DefinitionKeys.verbs.filter { members[$0] != nil }
        guard verbs.count == 1, let verb = verbs.first, let body = members[verb] else {
            reader.fault("want one of export, import, verify and drill", at: node, key: key)
            return nil
        }
        let name = members["name"].flatMap { reader.text($0, key: key + ".name") } ?? "\(verb)-\(number + 1)"
        let bodyKey = key + "." + verb
        switch verb {
        case "drill": return drill(body, key: bodyKey, name: name, stores: stores)
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
        let members = reader.members(node, key: key, known: DefinitionKeys.copy)
        guard let from = required("from", in: members, of: node, key: key),
            let to = required("to", in: members, of: node, key: key)
        else { return nil }
        let source = storeNamed(from, key: key + ".from", in: stores)
        let targets = self.targets(to, key: key + ".to", kind: kind, source: source, in: stores)
        let selection = members["images"].map { self.selection($0, key: key + ".images") } ?? images ?? .all
        let overwrite: Overwrite? = members["overwrite"].flatMap { reader.choice($0, key: key + ".overwrite") }
        let onError: OnError? = members["onError"].flatMap { reader.choice($0, key: key + ".onError") }
        let force = members["force"].flatMap { reader.flag($0, key: key + ".force") }
        let naming = naming(members, key: key)
        let writesArchive = targets.contains { if case .archive = $0 { true } else { false } }
        if let node = members["overwrite"] {
            if writesArchive {
                reader.fault(
                    "an archive is written whole; force: true replaces one that holds something else", at: node,
                    key: key + ".overwrite")
            } else if kind == .export, overwrite == .ours {
                reader.fault("ours is for registries, want never or always", at: node, key: key + ".overwrite")
            }
        }
        let writesSet = targets.contains { if case .backups = $0 { true } else { false } }
        if let node = members["overwrite"], writesSet, !writesArchive {
            reader.fault(
                "nothing is ever overwritten in a backup set: each run adds a backup", at: node,
                key: key + ".overwrite")
        }
        let named = if case .sequence(let items) = to { items.count } else { 1 }
        if let node = members["force"], targets.count == named, named > 0, !writesArchive {
            reader.fault(
                "force replaces archives, and there is none in to; use overwrite", at: node, key: key + ".force")
        }
        guard let source, !targets.isEmpty else { return nil }
        let step = CopyStep(
            kind: kind, sources: [SourceDefinition(store: source, selection: selection)],
            targets: targets.map { CopyTarget(store: $0, naming: naming.under($0)) }, overwrite: overwrite ?? .never,
            replacesFile: force ?? false)
        return Step(name: name, work: .copy(step), onError: onError ?? .stop)
    }

    /// One store or a list of them.
    private func targets(
        _ node: Node, key: String, kind: StepReport.Kind, source: StoreDefinition?, in stores: [String: StoreDefinition]
    ) -> [StoreDefinition] {
        var places: [(node: Node, key: String)] = [(node, key)]
        if case .sequence(let items) = node {
            places = items.enumerated().map { ($1, "\(key)[\($0)]") }
            if items.isEmpty { reader.fault("want the name of a store or a list of them", at: node, key: key) }
        }
        var targets: [StoreDefinition] = []
        for place in places {
            guard let target = storeNamed(place.node, key: place.key, in: stores) else { continue }
            if source == target {
                reader.fault("from and to are the same store", at: place.node, key: place.key)
            }
            if targets.contains(target) {
                reader.fault("the same store stands twice in to", at: place.node, key: place.key)
            }
            switch (kind, target) {
            case (.export, .registry):
                reader.fault(
                    "export writes an archive or a layout, this store is a registry; use import", at: place.node,
                    key: place.key)
            case (.import, .archive), (.import, .layout), (.import, .backups):
                reader.fault(
                    "import writes to a registry, this store is a file or folder; use export", at: place.node,
                    key: place.key)
            default: break
            }
            targets.append(target)
        }
        return targets
    }

    private func verify(
        _ node: Node, key: String, name: String, stores: [String: StoreDefinition], images: Selection?
    ) -> Step? {
        let members = reader.members(node, key: key, known: DefinitionKeys.verify)
        guard let checked = required("store", in: members, of: node, key: key),
            let store = storeNamed(checked, key: key + ".store", in: stores)
        else { return nil }
        let selection = members["images"].map { self.selection($0, key: key + ".images") } ?? images ?? .all
        let onError: OnError? = members["onError"].flatMap { reader.choice($0, key: key + ".onError") }
        let deep = members["deep"].flatMap { reader.flag($0, key: key + ".deep") } ?? false
        let step: VerifyStep
        if let against = members["against"] {
            guard let other = storeNamed(against, key: key + ".against", in: stores) else { return nil }
            if other == store {
                reader.fault("store and against are the same store", at: against, key: key + ".against")
            }
            let naming = naming(members, key: key)
            // The list comes from what it should be, and is looked up in what it is.
            step = VerifyStep(
                sources: [SourceDefinition(store: other, selection: selection)], against: store, naming: naming,
                reread: deep ? .compared : nil)
        } else {
            if let node = members["deep"] {
                reader.fault("goes with against: without it every byte is read anyway", at: node, key: key + ".deep")
            }
            for name in ["prefix", "rename", "retag"] {
                guard let node = members[name] else { continue }
                reader.fault(
                    "says what images of against are called in store, and there is no against", at: node,
                    key: key + "." + name)
            }
            step = VerifyStep(sources: [SourceDefinition(store: store, selection: selection)], against: nil)
        }
        return Step(name: name, work: .verify(step), onError: onError ?? .stop)
    }

    private func drill(_ node: Node, key: String, name: String, stores: [String: StoreDefinition]) -> Step? {
        let members = reader.members(node, key: key, known: DefinitionKeys.drill)
        guard let drilled = required("store", in: members, of: node, key: key),
            let store = storeNamed(drilled, key: key + ".store", in: stores)
        else { return nil }
        if case .registry = store {
            reader.fault(
                "a drill restores from a backup set, an archive or a layout folder, this store is a registry",
                at: drilled, key: key + ".store")
        }
        let sample = members["sample"].flatMap {
            reader.value($0, key: key + ".sample") { try Quantity.count($0, in: 1...DrillStep.sampleLimit) }
        }
        let onError: OnError? = members["onError"].flatMap { reader.choice($0, key: key + ".onError") }
        return Step(
            name: name, work: .drill(DrillStep(store: store, sample: sample)), onError: onError ?? .stop)
    }

    private func required(_ name: String, in members: [String: Node], of node: Node, key: String) -> Node? {
        if let member = members[name] { return member }
        reader.fault("missing, want the name of a store", at: node, key: key + "." + name)
        return nil
    }
}
