import OCI
import Yams

/// What of a source an entry takes: `tags`, `repos`, `referrerFilters`.
extension RegsyncConversion {
    func readTags(_ node: Node, key: String, into rule: inout DefinitionDraft.Rule) {
        var members = reader.members(node, key: key)
        if let range = members.take("semverRange") {
            let ranges = reader.texts(range, key: key + ".semverRange")
            if ranges.count == 1, let text = ranges.first?.text {
                do {
                    rule.semver = try VersionRange(parsing: text).description
                } catch {
                    reader.note("\(error.description): not carried over", at: range, key: key + ".semverRange")
                }
            } else {
                reader.note("not one range of versions: not carried over", at: range, key: key + ".semverRange")
            }
        }
        filter(members, key: key, wildcard: "*", into: &rule.tags, except: &rule.exceptTags)
        if rule.semver != nil, !rule.tags.isEmpty || !rule.exceptTags.isEmpty {
            reader.note("allow and deny beside semverRange are not carried over", at: node, key: key)
        }
    }

    func filter(
        _ node: Node?, key: String, wildcard: String, into: inout [String], except: inout [String]
    ) {
        guard let node else { return }
        filter(reader.members(node, key: key), key: key, wildcard: wildcard, into: &into, except: &except)
    }

    private func filter(
        _ members: ForeignMembers, key: String, wildcard: String, into: inout [String], except: inout [String]
    ) {
        var members = members
        if let allow = members.take("allow") { into = patterns(allow, key: key + ".allow", wildcard: wildcard) }
        if let deny = members.take("deny") { except = patterns(deny, key: key + ".deny", wildcard: wildcard) }
        members.end()
    }

    private func patterns(_ node: Node, key: String, wildcard: String) -> [String] {
        reader.texts(node, key: key).compactMap { text, item in
            if let pattern = GoExpression.convert(text, isWhole: true, wildcard: wildcard) { return pattern }
            reader.note(
                "'\(shown(text, limit: 200))' cannot be said in POSIX extended syntax: not carried over", at: item,
                key: key)
            return nil
        }
    }

    func types(_ node: Node, key: String) -> [String] {
        reader.items(node, key: key).enumerated().compactMap { number, item in
            var members = reader.members(item, key: "\(key)[\(number)]")
            members.drop([("annotations", "referrers are chosen by artifact type only: not carried over")])
            let type = members.text("artifactType")
            members.end()
            return type
        }
    }
}
