import OCI
import OCIArchive
import Yams

/// `stores`: what the steps read and write.
extension PipelineParser {
    func store(_ node: Node, key: String) -> StoreDefinition? {
        let members = reader.members(node, key: key, known: DefinitionKeys.store)
        let kinds = ["registry", "archive", "layout", "backups"].filter { members[$0] != nil }
        guard kinds.count == 1, let kind = kinds.first, let value = members[kind] else {
            if !members.isEmpty || isEmptyMapping(node) {
                reader.fault("want one of registry, archive, layout and backups", at: node, key: key)
            }
            return nil
        }
        let known =
            switch kind {
            case "registry": DefinitionKeys.registry
            case "archive": DefinitionKeys.archive
            case "backups": DefinitionKeys.backups
            default: DefinitionKeys.layout
            }
        for (name, member) in members where !known.contains(name) {
            let what = kind == "archive" ? "an archive" : kind == "backups" ? "a backup set" : "a \(kind)"
            reader.fault(
                "not known of \(what); known: \(known.joined(separator: ", "))", at: member, key: key + "." + name)
        }
        switch kind {
        case "registry": return registry(value, members, node, key: key)
        case "archive": return archive(value, members, key: key)
        case "backups": return backups(value, members, key: key)
        default: return reader.text(value, key: key + ".layout").map { .layout(path: resolved($0)) }
        }
    }

    private func isEmptyMapping(_ node: Node) -> Bool {
        if case .mapping(let mapping) = node { mapping.isEmpty } else { false }
    }

    /// Relative paths are relative to the definition.
    func resolved(_ path: String) -> String {
        path.hasPrefix("/") || folder == "." ? path : (folder == "/" ? "" : folder) + "/" + path
    }

    func storeNamed(_ node: Node, key: String, in stores: [String: StoreDefinition]) -> StoreDefinition? {
        guard let name = reader.text(node, key: key) else { return nil }
        if let store = stores[name] { return store }
        if wrongStores.contains(name) { return nil }
        let known = wrongStores.union(stores.keys).sorted().joined(separator: ", ")
        reader.fault("there is no store '\(shown(name, limit: 80))'; declared: \(known)", at: node, key: key)
        return nil
    }

    // MARK: Archives

    private func archive(_ node: Node, _ members: [String: Node], key: String) -> StoreDefinition? {
        guard let path = reader.text(node, key: key + ".archive") else { return nil }
        guard StoreDefinition.archiveSuffixes.contains(where: path.hasSuffix) else {
            reader.fault(
                "'\(shown(path, limit: 200))' has no known suffix, want one of "
                    + StoreDefinition.archiveSuffixes.joined(separator: ", "), at: node, key: key + ".archive")
            return nil
        }
        let folder = parentFolder(of: path)
        guard !folder.contains("{"), !folder.contains("}") else {
            reader.fault(
                "only the file's name may have {pipeline}, {date} or {time} in it, not its folder", at: node,
                key: key + ".archive")
            return nil
        }
        let template: ArchiveTemplate
        let name: String
        do {
            template = try ArchiveTemplate(parsing: lastComponent(of: path))
            name = try template.name(pipeline: self.name, moment: moment)
        } catch {
            reader.fault(error.description, at: node, key: key + ".archive")
            return nil
        }
        let resolvedFolder = path.contains("/") ? resolved(folder) : self.folder
        let resolvedPath =
            resolvedFolder == "." ? name : resolvedFolder == "/" ? "/" + name : resolvedFolder + "/" + name
        if let keep = members["keep"],
            let count = reader.value(keep, key: key + ".keep", { try Quantity.count($0, in: 1...100_000) })
        {
            guard template.isDated else {
                reader.fault(
                    "wants {date} in the archive's name, so that there is a series to keep some of", at: keep,
                    key: key + ".keep")
                return nil
            }
            settings.series[resolvedPath] = ArchiveSeries(
                folder: resolvedFolder, template: template, pipeline: self.name, keep: count)
        }
        let store = StoreDefinition.archive(path: resolvedPath)
        let wanted = archiveSettings(members, key: key)
        if wanted != ArchiveSettings() { settings.archives[store] = wanted }
        return store
    }

    /// Volumes, and what deltas build on.
    private func archiveSettings(_ members: [String: Node], key: String) -> ArchiveSettings {
        var wanted = ArchiveSettings()
        wanted.volumeSize = members["volumeSize"].flatMap {
            reader.value($0, key: key + ".volumeSize", Quantity.size)
        }
        wanted.since = members["since"].flatMap { reader.text($0, key: key + ".since") }.map(base)
        wanted.bases = members["base"].map { reader.texts($0, key: key + ".base").map { base($0.text) } } ?? []
        return wanted
    }

    /// A folder has a slash at its end; everything else is an archive, or the contents of one.
    private func base(_ path: String) -> StoreDefinition {
        path.hasSuffix("/")
            ? .backups(path: resolved(String(path.dropLast())), at: nil) : .archive(path: resolved(path))
    }

    private func lastComponent(of path: String) -> String {
        path.lastIndex(of: "/").map { String(path[path.index(after: $0)...]) } ?? path
    }
}
