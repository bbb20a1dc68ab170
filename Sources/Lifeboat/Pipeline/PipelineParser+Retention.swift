import OCI
import Yams

/// `keep` of a backup set.
extension PipelineParser {
    func retention(_ node: Node, key: String) -> SetRetention? {
        let members = reader.members(node, key: key, known: DefinitionKeys.retention)
        var retention = Retention()
        for (name, member) in members {
            let key = key + "." + name
            if let rule = Retention.Rule(rawValue: name) {
                retention.counts[rule] = reader.value(member, key: key) {
                    try Quantity.count($0, in: 1...Retention.countLimit)
                }
            } else if name == "within" {
                retention.within = reader.value(member, key: key) { try RetentionSpan(parsing: $0) }
            }
        }
        guard !retention.isEmpty else {
            if members.isEmpty {
                reader.fault("keeps nothing, want at least one rule, such as last: 7", at: node, key: key)
            }
            return nil
        }
        return SetRetention(retention)
    }
}
