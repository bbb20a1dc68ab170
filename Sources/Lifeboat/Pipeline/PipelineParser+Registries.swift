import OCI
import OCIRegistry
import Yams

/// Registries among the `stores`: who to be there, and how to treat it.
extension PipelineParser {
    func registry(_ node: Node, _ members: [String: Node], _ whole: Node, key: String) -> StoreDefinition? {
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
