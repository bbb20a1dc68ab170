import OCI
import Yams

/// `stores`: backup sets.
extension PipelineParser {
    func backups(_ node: Node, _ members: [String: Node], key: String) -> StoreDefinition? {
        guard let path = reader.text(node, key: key + ".backups") else { return nil }
        guard !StoreDefinition.archiveSuffixes.contains(where: path.hasSuffix) else {
            reader.fault(
                "'\(shown(path, limit: 200))' is called like an archive, want a folder", at: node,
                key: key + ".backups")
            return nil
        }
        var trimmed = resolved(path)[...]
        while trimmed.count > 1, trimmed.hasSuffix("/") { trimmed.removeLast() }
        let folder = String(trimmed)
        var wanted = BackupSetSettings()
        if let node = members["shrink"],
            let shrink = reader.value(node, key: key + ".shrink", Quantity.percentage)
        {
            wanted.shrink = shrink
        }
        // A store that only reads the set says nothing of how it is kept.
        if members["shrink"] != nil || members["keep"] != nil {
            if let other = settings.backupSets.updateValue(wanted, forKey: folder), other != wanted {
                reader.fault(
                    "\(shown(folder, limit: 1000)) is declared before, with other settings; one set has one of them",
                    at: node, key: key)
            }
        }
        let at = members["at"].flatMap { reader.value($0, key: key + ".at", PipelineParser.moment) }
        return .backups(path: folder, at: at == "latest" ? nil : at)
    }

    /// `latest`, the beginning of an id, or a time.
    private static func moment(_ text: String) throws(LifeboatError) -> String {
        if text == "latest" { return text }
        let id = text.hasPrefix("sha256:") ? text.dropFirst(7) : text[...]
        if id.utf8.count >= 4, id.utf8.count <= 64, id.allSatisfy({ $0.isHexDigit && !$0.isUppercase }) { return text }
        do throws(OCIError) {
            _ = try Moment(parsing: text)
            return text
        } catch {
            throw LifeboatError(
                .policy,
                "'\(shown(text, limit: 80))' names no backup, want latest, the beginning of an id, or a time such as "
                    + "2026-11-20T08:30:00Z (RFC 3339)")
        }
    }
}

extension Quantity {
    /// Reads `5%`: from 0 to 100.
    static func percentage(_ text: String) throws(LifeboatError) -> Double {
        guard text.hasSuffix("%"), let number = Double(text.dropLast()), (0...100).contains(number) else {
            throw LifeboatError(
                .policy, "'\(shown(text, limit: 40))' is not a share, want a number from 0 to 100 with %, such as 5%")
        }
        return number
    }
}
