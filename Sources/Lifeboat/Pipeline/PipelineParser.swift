import OCI
import Yams

/// Turns the nodes of a definition into steps. Faults go to the reader; what is returned then is not used.
final class PipelineParser {
    let reader: DefinitionReader
    let folder: String
    let isWorldWritable: Bool
    /// What `{date}` and `{time}` stand for: milliseconds since 1970.
    let moment: Int64
    private let givenInputs: [String: String]
    /// The pipeline's name; known before the stores are read.
    private(set) var name = "pipeline"
    /// What is gathered beside the steps.
    var settings = PipelineSettings()
    private var inputs: [String: PipelineInput] = [:]
    private var notes: [String] = []
    /// Stores that are declared and wrong: they have their fault, and it is not known what they are.
    var wrongStores: Set<String> = []
    /// Variables that stand for a password.
    var secretInputs: Set<String> = []

    init(reader: DefinitionReader, folder: String, context: PipelineContext) {
        self.reader = reader
        self.folder = folder
        isWorldWritable = context.isWorldWritable
        moment = context.moment
        givenInputs = context.inputs
    }

    /// Keeps what a reader should know and that is no fault.
    func note(_ text: String, at node: Node, key: String) {
        let fault = DefinitionError.Fault(
            line: node.mark?.line ?? 1, column: node.mark?.column ?? 1, key: key, reason: text)
        notes.append(DefinitionError(file: reader.file, faults: [fault]).description)
    }

    func pipeline(_ root: Node) -> Pipeline? {
        let members = reader.members(root, key: "", known: DefinitionKeys.definition)
        if let version = members["version"] {
            if let text = reader.text(version, key: "version"), text != "1" {
                reader.fault("'\(shown(text, limit: 40))' is not known, want 1", at: version, key: "version")
            }
        } else {
            reader.fault("missing, want 1", at: root, key: "version")
        }
        if let node = members["inputs"] { readInputs(node) }
        name = members["name"].flatMap { reader.text($0, key: "name") } ?? name
        settings.window = members["window"].flatMap { window($0) }
        settings.schedule = members["schedule"].flatMap { schedule($0) }
        settings.notifications = members["notify"].map { notifications($0) } ?? Notifications()
        settings.objectives = members["objectives"].map { objectives($0) } ?? Objectives()
        settings.attempts = members["retries"].flatMap { retries($0, key: "retries") }
        var stores: [String: StoreDefinition] = [:]
        if let node = members["stores"] {
            for (name, store) in reader.members(node, key: "stores", known: []).sorted(by: { $0.value < $1.value }) {
                let store = self.store(store, key: "stores.\(name)")
                stores[name] = store
                if store == nil { wrongStores.insert(name) }
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
        var steps: [(step: Step, node: Node, key: String)] = []
        var names: Set<String> = []
        for (number, item) in items.enumerated() {
            let key = "steps[\(number)]"
            guard let step = step(item, key: key, number: number, stores: stores, images: images) else { continue }
            if !names.insert(step.name).inserted {
                reader.fault("the name '\(shown(step.name, limit: 80))' stands twice", at: item, key: key + ".name")
            }
            steps.append((step, item, key))
        }
        var pipeline = Pipeline(name: name, steps: steps.map(\.step))
        pipeline.state = members["state"].flatMap { reader.text($0, key: "state") }.map(resolved)
        pipeline.needed = crossCheck(steps)
        if let zone = settings.schedule?.zone {
            settings.retention = settings.retention.mapValues { SetRetention($0.policy, zone: zone) }
        }
        pipeline.settings = settings
        pipeline.inputs = inputs
        pipeline.notes = notes
        pipeline.secretInputs = secretVariables()
        for name in Set(inputs.keys).union(reader.uses.keys).subtracting(pipeline.secretInputs) {
            guard let value = reader.variables[name] else { continue }
            if inputs[name] == nil { pipeline.variables[name] = value } else { pipeline.values[name] = value }
        }
        return pipeline
    }

    /// Variables with which somebody could log in or post: those of passwords, and all that stand in credentials,
    /// commands and notices, or are the default of such an input.
    private func secretVariables() -> Set<String> {
        var secret = secretInputs
        for (name, keys) in reader.uses where keys.contains(where: PipelineParser.isPrivate) { secret.insert(name) }
        for (name, keys) in reader.uses
        where secret.contains(where: { keys.contains("inputs.\($0).default") }) { secret.insert(name) }
        return secret
    }

    /// Whether what stands at a place may be a secret.
    private static func isPrivate(_ key: String) -> Bool {
        key.hasPrefix("notify.") || key.contains(".credentials") || key.contains(".createRepositories")
    }

    // MARK: Inputs and the window

    /// Declares what can be given from outside; each has its value before anything else is read.
    private func readInputs(_ node: Node) {
        for (name, value) in reader.members(node, key: "inputs", known: []) {
            let key = "inputs.\(shown(name, limit: 80))"
            guard DefinitionReader.isVariableName(name) else {
                reader.fault("the name of an input has letters, digits and _ only", at: value, key: key)
                continue
            }
            var input = PipelineInput()
            let members = value.isEmpty ? [:] : reader.members(value, key: key, known: DefinitionKeys.input)
            input.description = members["description"].flatMap { reader.text($0, key: key + ".description") }
            input.defaultValue = members["default"].flatMap { reader.text($0, key: key + ".default") }
            inputs[name] = input
            let isGiven = reader.declare(name, givenInputs[name], otherwise: input.defaultValue)
            if !isGiven {
                reader.fault(
                    "not given: --input \(name)=VALUE, or \(name) in the environment, or a default here", at: value,
                    key: key)
            }
        }
    }

    private func window(_ node: Node) -> RunWindow? {
        let members = reader.members(node, key: "window", known: DefinitionKeys.window)
        for name in ["from", "to"] where members[name] == nil {
            if case .mapping = node { reader.fault("missing, want HH:MM", at: node, key: "window." + name) }
        }
        func minutes(_ name: String) -> Int? {
            members[name].flatMap { reader.value($0, key: "window." + name, RunWindow.minutes) }
        }
        let (from, to) = (minutes("from"), minutes("to"))
        let timeZone = members["timezone"].map { reader.text($0, key: "window.timezone") } ?? "UTC"
        guard let from, let to, let timeZone else { return nil }
        do {
            return try RunWindow(from: from, to: to, timeZone: timeZone)
        } catch {
            reader.fault(error.description, at: members["timezone"] ?? node, key: "window")
            return nil
        }
    }
}

extension Node {
    /// Whether nothing stands behind the colon.
    fileprivate var isEmpty: Bool { if case .scalar(let scalar) = self { scalar.string.isEmpty } else { false } }

    /// The order in which they stand in the file.
    fileprivate static func < (a: Node, b: Node) -> Bool {
        (a.mark?.line ?? 0, a.mark?.column ?? 0) < (b.mark?.line ?? 0, b.mark?.column ?? 0)
    }
}
