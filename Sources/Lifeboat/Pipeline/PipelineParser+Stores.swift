import OCI
import Yams

/// `stores`: what the steps read and write.
extension PipelineParser {
    func store(_ node: Node, key: String) -> StoreDefinition? {
        let members = reader.members(node, key: key, known: DefinitionKeys.store)
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
    func resolved(_ path: String) -> String {
        path.hasPrefix("/") || folder == "." ? path : folder + "/" + path
    }

    func storeNamed(_ node: Node, key: String, in stores: [String: StoreDefinition]) -> StoreDefinition? {
        guard let name = reader.text(node, key: key) else { return nil }
        if let store = stores[name] { return store }
        let known = stores.keys.sorted().joined(separator: ", ")
        reader.fault("there is no store '\(shown(name, limit: 80))'; declared: \(known)", at: node, key: key)
        return nil
    }
}
