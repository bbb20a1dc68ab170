import OCI
import OCIArchive
import OCIRegistry
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

    // MARK: Registries

    private func registry(_ node: Node, _ members: [String: Node], _ whole: Node, key: String) -> StoreDefinition? {
        var wanted = RegistrySettings()
        wanted.plainHTTP = members["plainHTTP"].flatMap { reader.flag($0, key: key + ".plainHTTP") }
        wanted.attempts = members["retries"].flatMap { retries($0, key: key + ".retries") }
        if let node = members["createRepositories"] {
            let key = key + ".createRepositories"
            let members = reader.members(node, key: key, known: DefinitionKeys.creation)
            wanted.createRepositories = members["command"].flatMap { command($0, key: key + ".command") }
            if members["command"] == nil, case .mapping = node {
                reader.fault("missing, want the program and its arguments", at: node, key: key + ".command")
            }
        }
        if let credentials = members["credentials"] {
            wanted.credentials = self.credentials(credentials, key: key + ".credentials")
        }
        if let tls = members["tls"] {
            let members = reader.members(tls, key: key + ".tls", known: DefinitionKeys.tls)
            wanted.caFile = members["ca"].flatMap { reader.text($0, key: key + ".tls.ca") }.map(resolved)
            wanted.certificateFile = members["cert"].flatMap { reader.text($0, key: key + ".tls.cert") }.map(resolved)
            wanted.keyFile = members["key"].flatMap { reader.text($0, key: key + ".tls.key") }.map(resolved)
            if (members["cert"] == nil) != (members["key"] == nil) {
                reader.fault("wants cert and key together", at: tls, key: key + ".tls")
            }
            wanted.verifiesTLS = members["verify"].flatMap { reader.flag($0, key: key + ".tls.verify") }
        }
        wanted.listing = members["listing"].flatMap { reader.choice($0, key: key + ".listing") }
        if let mirrors = members["mirrors"] {
            wanted.mirrors = self.mirrors(mirrors, key: key + ".mirrors")
        }
        if let limits = members["limits"] {
            let key = key + ".limits"
            let members = reader.members(limits, key: key, known: DefinitionKeys.limits)
            wanted.connections = members["connections"].flatMap {
                reader.value($0, key: key + ".connections") { try Quantity.count($0, in: 1...1000) }
            }
            wanted.requestsPerSecond = members["requests"].flatMap {
                reader.value($0, key: key + ".requests", Quantity.rate)
            }
            wanted.bytesPerSecond = members["bandwidth"].flatMap {
                reader.value($0, key: key + ".bandwidth", Quantity.bandwidth)
            }
        }
        if let timeouts = members["timeouts"] {
            let key = key + ".timeouts"
            let members = reader.members(timeouts, key: key, known: DefinitionKeys.timeouts)
            func duration(_ name: String) -> Duration? {
                members[name].flatMap { reader.value($0, key: key + "." + name, Quantity.duration) }
            }
            wanted.connectTimeout = duration("connect")
            wanted.answerTimeout = duration("answer")
            wanted.idleTimeout = duration("idle")
        }
        guard let store = reader.value(node, key: key + ".registry", { try StoreDefinition.registry(parsing: $0) })
        else { return nil }
        if let other = settings.registries.updateValue(wanted, forKey: store), other != wanted {
            reader.fault(
                "\(store.description) is declared before, with other settings; one registry has one set of them",
                at: whole, key: key)
        }
        return store
    }

    private func mirrors(_ node: Node, key: String) -> [RegistryMirror] {
        reader.texts(node, key: key).compactMap { text, node in
            guard
                case .registry(let host, let prefix)? = reader.value(
                    node, key: key,
                    { text in
                        try StoreDefinition.registry(parsing: text)
                    })
            else { return nil }
            return RegistryMirror(host: host, prefix: prefix)
        }
    }

    func retries(_ node: Node, key: String) -> Int? {
        reader.value(node, key: key) { try Quantity.count($0, in: 1...100) }
    }

    private func credentials(_ node: Node, key: String) -> RegistrySettings.Credentials? {
        if case .scalar = node {
            switch reader.text(node, key: key) {
            case "docker": return .docker
            case "anonymous": return .anonymous
            case "azure": return .azure
            case nil: return nil
            case let other?:
                reader.fault(
                    "'\(shown(other, limit: 80))' is not known, want docker, anonymous, azure, {username, passwordFile}, "
                        + "{username, password} or {command}", at: node, key: key)
                return nil
            }
        }
        let members = reader.members(node, key: key, known: DefinitionKeys.credentials)
        switch Set(members.keys) {
        case ["command"]: return members["command"].flatMap { command($0, key: key + ".command") }.map { .command($0) }
        case ["username", "passwordFile"]:
            let username = members["username"].flatMap { reader.text($0, key: key + ".username") }
            let path = members["passwordFile"].flatMap { reader.text($0, key: key + ".passwordFile") }
            guard let username, let path else { return nil }
            return .passwordFile(username: username, path: resolved(path))
        case ["username", "password"]:
            let username = members["username"].flatMap { reader.text($0, key: key + ".username") }
            guard let node = members["password"], let password = reader.text(node, key: key + ".password"),
                let username
            else { return nil }
            if case .scalar(let scalar) = node, scalar.string == password {
                note("stands in clear text; use $NAME, passwordFile or command", at: node, key: key + ".password")
            } else if case .scalar(let scalar) = node {
                secretInputs.insert(String(scalar.string.dropFirst()))
            }
            return .password(username: username, RegistrySettings.Password(password))
        default:
            if case .mapping = node {
                reader.fault(
                    "want username and passwordFile, username and password, or command alone", at: node, key: key)
            }
            return nil
        }
    }

    /// A program and its arguments. Whoever can change the definition could run programs as us (P11).
    func command(_ node: Node, key: String) -> [String]? {
        guard case .sequence = node else {
            reader.fault("want a list of the program and its arguments, got \(node.kindName)", at: node, key: key)
            return nil
        }
        let words = reader.texts(node, key: key).map(\.text)
        // One that is not set has its fault.
        guard words.count == node.sequence?.count else { return nil }
        guard let program = words.first, !program.isEmpty else {
            reader.fault("want a list of the program and its arguments, got an empty one", at: node, key: key)
            return nil
        }
        guard !isWorldWritable else {
            reader.fault(
                "not run, since everybody may change this file; take the right away (chmod o-w)", at: node, key: key)
            return nil
        }
        // A path is relative to the definition; a name alone is looked up in PATH.
        return [program.contains("/") ? resolved(program) : program] + words.dropFirst()
    }
}
