import OCI
import Yams

/// What only shows when the steps are seen together (P7).
extension PipelineParser {
    /// Reports files that two steps write, and files that are read before the step that writes them.
    ///
    /// - Returns: what is read without any step before having written it: it has to be there.
    func crossCheck(_ steps: [(step: Step, node: Node, key: String)]) -> [(path: String, fault: DefinitionError.Fault)]
    {
        var writers: [String: String] = [:]
        var needed: [(path: String, fault: DefinitionError.Fault)] = []
        var backedUp: [[String]: String] = [:]
        for (step, node, key) in steps {
            if case .copy(let copy) = step.work {
                let sources = Set(copy.sources.map(\.store.description)).sorted()
                for case .backups(let path, _) in step.work.writes where settings.retention[path] != nil {
                    guard let other = backedUp.updateValue(step.name, forKey: [path] + sources) else { continue }
                    reader.fault(
                        "backs up the same source into the same set as step '\(shown(other, limit: 80))': keep could not "
                            + "tell their backups apart; one step can have all of the rules, or each step its own set",
                        at: member(of: step, in: node, named: ["to"]) ?? node, key: key)
                }
            }
            for path in step.work.reads.compactMap(\.file) where writers[path] == nil {
                let later = steps.first { other in
                    other.step.name != step.name && other.step.work.writes.contains { $0.file == path }
                }
                let reason =
                    later.map {
                        "reads \(shown(path, limit: 1000)), which is not there before step '\($0.step.name)' writes it"
                    }
                    ?? "reads \(shown(path, limit: 1000)), which is not there and which no step before writes"
                let mark = place(of: step, in: node, members: ["from", "store", "against"])
                needed.append(
                    (path, .init(line: mark.line, column: mark.column, key: key, reason: reason)))
            }
            for target in step.work.writes {
                guard case .archive(let path) = target else {
                    if let path = target.file { writers[path] = step.name }
                    continue
                }
                if let other = writers[path] {
                    reader.fault(
                        "writes \(shown(path, limit: 1000)), which step '\(shown(other, limit: 80))' has written",
                        at: member(of: step, in: node, named: ["to"]) ?? node, key: key)
                }
                writers[path] = step.name
            }
        }
        return needed
    }

    private func place(of step: Step, in node: Node, members: [String]) -> (line: Int, column: Int) {
        let mark = (member(of: step, in: node, named: members) ?? node).mark
        return (mark?.line ?? 1, mark?.column ?? 1)
    }

    /// The first of some members of what a step does.
    private func member(of step: Step, in node: Node, named names: [String]) -> Node? {
        for verb in DefinitionKeys.verbs {
            guard let body = node[verb] else { continue }
            for name in names { if let member = body[name] { return member } }
        }
        return nil
    }
}

extension Step.Work {
    /// Stores that have to be there before.
    var reads: [StoreDefinition] {
        switch self {
        case .copy(let copy): copy.sources.map(\.store)
        case .verify(let verify): verify.sources.map(\.store) + (verify.against.map { [$0] } ?? [])
        case .drill(let drill): [drill.store]
        }
    }

    /// Stores that are there afterwards.
    var writes: [StoreDefinition] {
        switch self {
        case .copy(let copy): copy.targets.map(\.store)
        case .verify, .drill: []
        }
    }
}

extension Step.Work {
    /// Stores that it writes or rehearses: by which the objectives are judged.
    var kept: [StoreDefinition] {
        if case .drill(let drill) = self { [drill.store] } else { writes }
    }
}

extension StoreDefinition {
    /// The path of an archive or a layout.
    var file: String? {
        switch self {
        case .registry: nil
        case .archive(let path), .layout(let path), .backups(let path, _): path
        }
    }
}
