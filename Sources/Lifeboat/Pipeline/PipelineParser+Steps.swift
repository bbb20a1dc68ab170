import OCI
import Yams

/// `steps`: what is done, in order.
extension PipelineParser {
    func step(
        _ node: Node, key: String, number: Int, stores: [String: StoreDefinition], images: Selection?
    ) -> Step? {
        let members = reader.members(node, key: key, known: DefinitionKeys.step)
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
        let members = reader.members(node, key: key, known: DefinitionKeys.copy)
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
            var naming = Naming()
            if case .registry(_, let prefix) = store { naming.prefix = prefix }
            // The list comes from what it should be, and is looked up in what it is.
            step = VerifyStep(
                sources: [SourceDefinition(store: other, selection: selection)], against: store, naming: naming,
                reread: deep ? .compared : nil)
        } else {
            if let node = members["deep"] {
                reader.fault(
                    "goes with against: without it every byte is read anyway", at: node, key: key + ".deep")
            }
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
