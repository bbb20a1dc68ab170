import OCI
import Yams

/// Reads values out of a YAML document and gathers what is wrong with it.
///
/// Scalars are strings as they are written: `1.10` is a tag and `no` is a name. `$NAME` is replaced where it is the
/// whole value.
final class DefinitionReader {
    let file: String
    private(set) var variables: [String: String]
    /// Where in the definition each variable stands.
    private(set) var uses: [String: Set<String>] = [:]
    /// Inputs that are declared and have no value: the fault stands where they are declared.
    private var missingInputs: Set<String> = []
    private(set) var faults: [DefinitionError.Fault] = []

    init(file: String, variables: [String: String]) {
        self.file = file
        self.variables = variables
    }

    /// Whether `$NAME` can stand for a variable of this name.
    static func isVariableName(_ name: some StringProtocol) -> Bool {
        (name.first?.isLetter ?? false || name.first == "_")
            && name.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "_") }
    }

    /// Gives an input its value: what was given, else the variable of that name, else the default.
    ///
    /// - Returns: whether it has one. An empty value is none.
    func declare(_ name: String, _ given: String?, otherwise defaultValue: String?) -> Bool {
        let candidates = [given, variables[name], defaultValue].compactMap { $0 }
        // What was given counts, also where it is empty: then it is a fault, and not something else.
        guard let value = given ?? candidates.first(where: { !$0.isEmpty }), !value.isEmpty else {
            missingInputs.insert(name)
            return false
        }
        variables[name] = value
        return true
    }

    func fault(_ reason: String, at node: Node?, key: String) {
        let mark = node?.mark
        faults.append(DefinitionError.Fault(line: mark?.line ?? 1, column: mark?.column ?? 1, key: key, reason: reason))
    }

    /// The members of a mapping; those whose key is not in `known` are faults.
    func members(_ node: Node, key: String, known: [String]) -> [String: Node] {
        guard case .mapping(let mapping) = node else {
            fault("want a mapping, got \(node.kindName)", at: node, key: key)
            return [:]
        }
        var members: [String: Node] = [:]
        for (name, value) in mapping {
            guard case .scalar(let scalar) = name else {
                fault("a key must be a plain word", at: name, key: key)
                continue
            }
            if known.isEmpty || known.contains(scalar.string) {
                members[scalar.string] = value
            } else {
                let path = key.isEmpty ? scalar.string : key + "." + scalar.string
                let nearest = known.min { distance($0, scalar.string) < distance($1, scalar.string) }
                // Longer words may have more wrong: a plural, an ending.
                let farthest = max(2, scalar.string.count / 3)
                let hint =
                    nearest.flatMap { distance($0, scalar.string) <= farthest ? "did you mean '\($0)'?" : nil }
                    ?? "known here: " + known.joined(separator: ", ")
                fault("unknown key; \(hint)", at: name, key: shown(path, limit: 200))
            }
        }
        return members
    }

    /// The text of a scalar, with a variable in its place if it is one.
    func text(_ node: Node, key: String) -> String? {
        guard case .scalar(let scalar) = node else {
            fault("want a text, got \(node.kindName)", at: node, key: key)
            return nil
        }
        guard scalar.string.hasPrefix("$") else { return scalar.string }
        let name = String(scalar.string.dropFirst())
        guard DefinitionReader.isVariableName(name) else { return scalar.string }
        uses[name, default: []].insert(key)
        if missingInputs.contains(name) { return nil }
        guard let value = variables[name], !value.isEmpty else {
            fault("the variable $\(name) is not set", at: node, key: key)
            return nil
        }
        return value
    }

    /// One text or a list of them.
    func texts(_ node: Node, key: String) -> [(text: String, node: Node)] {
        guard case .sequence(let items) = node else { return text(node, key: key).map { [($0, node)] } ?? [] }
        return items.enumerated().compactMap { number, item in text(item, key: "\(key)[\(number)]").map { ($0, item) } }
    }

    func choice<Choice: RawRepresentable & CaseIterable>(_ node: Node, key: String) -> Choice?
    where Choice.RawValue == String {
        guard let text = text(node, key: key) else { return nil }
        if let choice = Choice(rawValue: text) { return choice }
        fault(
            "'\(shown(text, limit: 80))' is not known, want one of \(Choice.allCases.map(\.rawValue).joined(separator: ", "))",
            at: node, key: key)
        return nil
    }

    func flag(_ node: Node, key: String) -> Bool? {
        switch text(node, key: key) {
        case "true": return true
        case "false": return false
        case nil: return nil
        case let other?:
            fault("'\(shown(other, limit: 80))' is not known, want true or false", at: node, key: key)
            return nil
        }
    }

    /// A value that some initializer reads; its error becomes a fault.
    func value<Value>(_ node: Node, key: String, _ read: (String) throws -> Value) -> Value? {
        guard let text = text(node, key: key) else { return nil }
        do {
            return try read(text)
        } catch {
            fault((error as? any Failure)?.description ?? "\(error)", at: node, key: key)
            return nil
        }
    }

    /// Fails if anything was wrong.
    func check() throws(DefinitionError) {
        if !faults.isEmpty { throw DefinitionError(file: file, faults: faults) }
    }
}

extension Node {
    var kindName: String {
        switch self {
        case .scalar(let scalar): scalar.string.isEmpty ? "nothing" : "a text"
        case .mapping: "a mapping"
        case .sequence: "a list"
        case .alias: "an alias"
        }
    }
}

/// How many letters have to be added, taken away or changed (Levenshtein).
private func distance(_ a: String, _ b: String) -> Int {
    let b = Array(b.lowercased())
    var row = Array(0...b.count)
    for (i, x) in a.lowercased().enumerated() {
        var diagonal = row[0]
        row[0] = i + 1
        for (j, y) in b.enumerated() {
            let cost = diagonal + (x == y ? 0 : 1)
            diagonal = row[j + 1]
            row[j + 1] = min(cost, row[j] + 1, row[j + 1] + 1)
        }
    }
    return row[b.count]
}
