import OCI
import Yams

/// Reads another tool's file, and writes down all that it does not carry over.
final class ForeignReader {
    let file: String
    private(set) var notes: [Conversion.Note] = []

    init(file: String) {
        self.file = file
    }

    func note(_ reason: String, at node: Node?, key: String) {
        notes.append(
            Conversion.Note(file: file, line: node?.mark?.line ?? 1, key: shown(key, limit: 200), reason: reason))
    }

    /// The members of a mapping, those of `<<` under them. None, and a note, for anything else.
    func members(_ node: Node, key: String) -> ForeignMembers {
        guard case .mapping(let mapping) = node else {
            note("want a mapping, got \(node.kindName): not carried over", at: node, key: key)
            return ForeignMembers(reader: self, key: key, members: [:])
        }
        var members: [String: Node] = [:]
        for (name, value) in mapping where name.string != "<<" { members[name.string ?? ""] = value }
        if let merged = mapping["<<"] {
            let sources = if case .sequence(let items) = merged { Array(items) } else { [merged] }
            for source in sources {
                members.merge(self.members(source, key: key + ".<<").rest) { own, _ in own }
            }
        }
        return ForeignMembers(reader: self, key: key, members: members)
    }

    func items(_ node: Node, key: String) -> [Node] {
        if case .sequence(let items) = node { return Array(items) }
        note("want a list, got \(node.kindName): not carried over", at: node, key: key)
        return []
    }

    /// One text or a list of them, each with its place.
    func texts(_ node: Node, key: String) -> [(text: String, node: Node)] {
        if let text = node.string { return [(text, node)] }
        return items(node, key: key).compactMap { item in
            if let text = item.string { return (text, item) }
            note("want a text, got \(item.kindName): not carried over", at: item, key: key)
            return nil
        }
    }
}

/// The members of a mapping; each is taken once, and what is left in the end becomes notes.
struct ForeignMembers {
    let reader: ForeignReader
    let key: String
    private var members: [String: Node]

    init(reader: ForeignReader, key: String, members: [String: Node]) {
        self.reader = reader
        self.key = key
        self.members = members
    }

    var rest: [String: Node] { members }

    func path(_ name: String) -> String { key.isEmpty ? name : key + "." + name }

    mutating func take(_ name: String) -> Node? { members.removeValue(forKey: name) }

    mutating func text(_ name: String) -> String? {
        guard let node = take(name) else { return nil }
        if let text = node.string { return text }
        reader.note("want a text, got \(node.kindName): not carried over", at: node, key: path(name))
        return nil
    }

    /// Notes what is there under these names, each with why it is not carried over.
    mutating func drop(_ reasons: [(name: String, reason: String)]) {
        for (name, reason) in reasons {
            if let node = take(name) { reader.note(reason, at: node, key: path(name)) }
        }
    }

    /// Notes all that nobody has taken.
    func end() {
        for (name, node) in members.sorted(by: { $0.key < $1.key }) where !name.hasPrefix("x-") {
            reader.note("not known here: not carried over", at: node, key: path(name))
        }
    }
}
