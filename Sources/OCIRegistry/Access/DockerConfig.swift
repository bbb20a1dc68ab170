import OCI

/// A `config.json` of docker or an `auth.json` of podman: who is logged in where.
struct DockerConfig: Sendable {
    /// The largest file that is read.
    static let sizeLimit = 1 << 20

    private var entries: [String: Credential] = [:]
    /// The keys of `auths` as they are written.
    private var keys: [String] = []
    private var helpers: [String: String] = [:]
    private var store: String?

    enum Login: Hashable, Sendable {
        case credential(Credential)
        /// `docker-credential-NAME` knows it.
        case helper(name: String, server: String)
    }

    /// Nobody is logged in anywhere.
    init() {}

    /// - Throws: `RegistryError` `.auth` that names `path`, but nothing of what the file holds.
    init(parsing bytes: [UInt8], path: String) throws(RegistryError) {
        do throws(OCIError) {
            let json = try JSONValue(parsing: bytes, in: path)
            let members = try json.object(path)
            store = members["credsStore"]?.stringValue.flatMap { $0.isEmpty ? nil : $0 }
            if let value = members["credHelpers"], value != .null {
                helpers = try value.strings("\(path): credHelpers")
            }
            guard let auths = members["auths"], auths != .null else { return }
            for (key, value) in try auths.object("\(path): auths") {
                keys.append(key)
                guard let credential = DockerConfig.credential(value) else { continue }
                let name = DockerConfig.normal(key)
                // A key as it is now written wins over the forms of old.
                if entries[name] == nil || name == key { entries[name] = credential }
            }
        } catch {
            throw RegistryError(
                .auth, error.description, advice: "mend it: lifeboat login does not write over what it cannot read")
        }
    }

    /// What is known for a repository: the longest path first, then the registry.
    func login(to registry: String, _ repository: RepositoryName?) -> Login? {
        var path = registry + (repository.map { "/" + $0.description } ?? "")
        while true {
            if path == registry, let helper = helper(for: registry) { return helper }
            if let credential = entries[path] { return .credential(credential) }
            guard path != registry, let slash = path.lastIndex(of: "/") else { break }
            path = String(path[..<slash])
        }
        return store.map { .helper(name: $0, server: DockerConfig.serverKey(registry)) }
    }

    private func helper(for registry: String) -> Login? {
        ownHelper(of: registry).map { .helper(name: $0, server: DockerConfig.serverKey(registry)) }
    }

    private func ownHelper(of registry: String) -> String? {
        helpers.first { key, name in DockerConfig.normal(key) == registry && !name.isEmpty }?.value
    }

    /// The helper that keeps passwords of a registry; nil if they stand in the file.
    func helperName(for registry: String) -> String? { ownHelper(of: registry) ?? store }

    /// Under which names the file knows a registry.
    func keys(for registry: String) -> [String] { keys.filter { DockerConfig.normal($0) == registry }.sorted() }

    /// Helpers still know Docker Hub by its first address.
    static func serverKey(_ registry: String) -> String {
        registry == "docker.io" ? "https://index.docker.io/v1/" : registry
    }

    /// A key without the scheme and version that old clients wrote.
    static func normal(_ key: String) -> String {
        var name = key[...]
        for scheme in ["https://", "http://"] where name.hasPrefix(scheme) { name = name.dropFirst(scheme.count) }
        while name.hasSuffix("/") { name = name.dropLast() }
        for version in ["/v1", "/v2"] where name.hasSuffix(version) && name.filter({ $0 == "/" }).count == 1 {
            name = name.dropLast(version.count)
        }
        let host = name.prefix { $0 != "/" }
        return Reference.canonical(registry: String(host)) + name[host.endIndex...]
    }

    private static func credential(_ value: JSONValue) -> Credential? {
        func text(_ name: String) -> String? { value[name]?.stringValue.flatMap { $0.isEmpty ? nil : $0 } }
        if let token = text("identitytoken") { return .identityToken(token) }
        if let token = text("registrytoken") { return .registryToken(token) }
        if let auth = text("auth"), let bytes = Base64.decode(auth.trimmed),
            let pair = String(validating: bytes, as: UTF8.self), let colon = pair.firstIndex(of: ":")
        {
            let password = pair[pair.index(after: colon)...].prefix { $0 != "\0" }
            return .password(username: String(pair[..<colon]), password: String(password))
        }
        if let username = text("username"), let password = text("password") {
            return .password(username: username, password: password)
        }
        return nil
    }
}
