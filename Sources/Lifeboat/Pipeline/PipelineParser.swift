import OCI
import Yams

/// Turns the nodes of a definition into steps. Faults go to the reader; what is returned then is not used.
struct PipelineParser {
    let reader: DefinitionReader
    let folder: String

    func pipeline(_ root: Node) -> Pipeline? {
        let members = reader.members(root, key: "", known: DefinitionKeys.definition)
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
        var pipeline = Pipeline(name: name, steps: steps)
        pipeline.state = members["state"].flatMap { reader.text($0, key: "state") }.map(resolved)
        return pipeline
    }
}
