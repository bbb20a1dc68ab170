/// A definition that is being written.
struct DefinitionDraft {
    struct Store: Hashable {
        var kind: String
        var place: String
    }

    struct Rule {
        var repositories: [String] = []
        var except: [String] = []
        var tags: [String] = []
        var exceptTags: [String] = []
        var semver: String?
        var digests: [String] = []
        var platforms: [String] = []
        var artifactTypes: [String] = []
    }

    struct Step {
        var name: String
        var verb: String
        var from: String
        var to: String
        var rules: [Rule]
        var prefix = ""
        /// Mappings as they are written, such as `{from: a, into: b}`.
        var rename: [String] = []
        var retag: [String] = []
        var comment: String?
    }

    var name = "converted"
    /// Members of a store besides its place, as they are written.
    var options: [Store: [(key: String, value: String)]] = [:]
    private(set) var stores: [(name: String, store: Store)] = []
    private(set) var steps: [Step] = []

    /// The name under which a store is declared; declares it if it is not yet.
    mutating func declare(_ store: Store) -> String {
        if let known = stores.first(where: { $0.store == store }) { return known.name }
        let host = store.place.split(separator: "/").first.map(String.init) ?? store.place
        let label = host.split(separator: ".").first.map(String.init) ?? host
        let word = String(label.prefix { $0 != ":" }.map { $0.isASCII && ($0.isLetter || $0.isNumber) ? $0 : "-" })
        var name = word.isEmpty || word.hasPrefix("-") ? store.kind : word.lowercased()
        if name.allSatisfy({ $0.isNumber || $0 == "-" }) { name = "registry" }
        name = unique(name) { candidate in stores.contains { $0.name == candidate } }
        stores.append((name, store))
        return name
    }

    mutating func add(_ step: Step) {
        var step = step
        step.name = unique(step.name) { candidate in steps.contains { $0.name == candidate } }
        steps.append(step)
    }

    private func unique(_ name: String, isTaken: (String) -> Bool) -> String {
        var candidate = name
        var number = 2
        while isTaken(candidate) {
            candidate = "\(name)-\(number)"
            number += 1
        }
        return candidate
    }

    /// The definition as YAML.
    ///
    /// - Parameter origin: what it was made of.
    func text(origin: String) -> String {
        var lines = [
            "# yaml-language-server: $schema=pipeline.schema.json",
            "# Made by lifeboat convert of the \(origin.filter { !$0.isNewline }).", "version: 1",
            "name: \(DefinitionDraft.scalar(name))", "stores:",
        ]
        for (name, store) in stores {
            let members = [(key: store.kind, value: DefinitionDraft.scalar(store.place))] + (options[store] ?? [])
            lines.append("  \(name): {" + members.map { "\($0.key): \($0.value)" }.joined(separator: ", ") + "}")
        }
        lines.append("steps:")
        for step in steps { lines += text(of: step) }
        return lines.joined(separator: "\n")
    }

    private func text(of step: Step) -> [String] {
        var lines: [String] = []
        if let comment = step.comment { lines.append("  # " + comment.filter { !$0.isNewline }) }
        lines += [
            "  - name: \(DefinitionDraft.scalar(step.name))", "    \(step.verb):", "      from: \(step.from)",
            "      to: \(step.to)",
        ]
        lines.append("      images:")
        for rule in step.rules { lines += text(of: rule) }
        if !step.prefix.isEmpty { lines.append("      prefix: \(DefinitionDraft.scalar(step.prefix))") }
        if !step.rename.isEmpty { lines.append("      rename: [\(step.rename.joined(separator: ", "))]") }
        if !step.retag.isEmpty { lines.append("      retag: [\(step.retag.joined(separator: ", "))]") }
        lines.append("      overwrite: always")
        return lines
    }

    private func text(of rule: Rule) -> [String] {
        var lines = ["        - repositories: \(list(rule.repositories))"]
        if !rule.except.isEmpty { lines.append("          except: \(list(rule.except))") }
        if let semver = rule.semver {
            lines.append("          tags: {semver: \(DefinitionDraft.scalar(semver))}")
        } else if !rule.exceptTags.isEmpty {
            let include = rule.tags.isEmpty ? "" : "include: \(list(rule.tags)), "
            lines.append("          tags: {\(include)except: \(list(rule.exceptTags))}")
        } else if !rule.tags.isEmpty {
            lines.append("          tags: \(list(rule.tags))")
        }
        if !rule.digests.isEmpty { lines.append("          digests: \(list(rule.digests))") }
        if !rule.platforms.isEmpty { lines.append("          platforms: \(list(rule.platforms))") }
        if !rule.artifactTypes.isEmpty { lines.append("          referrers: {types: \(list(rule.artifactTypes))}") }
        return lines
    }

    private func list(_ texts: [String]) -> String {
        "[" + texts.map(DefinitionDraft.scalar).joined(separator: ", ") + "]"
    }
}

extension DefinitionDraft {
    /// A text as YAML: plain where nothing can be mistaken, else in double quotes.
    static func scalar(_ text: String) -> String {
        let isPlain =
            text.first.map { $0.isASCII && $0.isLetter || $0 == "$" } ?? false
            && text.dropFirst().allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber) || "._/-:".contains($0) }
            && !text.hasSuffix(":")
            && !["true", "false", "null", "yes", "no", "on", "off", "y", "n"].contains(text.lowercased())
        if isPlain { return text }
        var result = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": result += "\\\""
            case "\\": result += "\\\\"
            case _ where scalar.value < 0x20 || (0x7f...0xa0).contains(scalar.value):
                let hex = String(scalar.value, radix: 16)
                result += "\\x" + String(repeating: "0", count: 2 - hex.count) + hex
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result + "\""
    }
}
