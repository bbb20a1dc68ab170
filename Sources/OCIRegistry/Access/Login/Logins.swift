import NIOHTTP1
import NIOPosix
import OCI

/// Logs in and out where docker and podman look: in their configuration file, or with the helper that it names.
public struct Logins: Sendable {
    /// Where a password is kept.
    public enum Place: Sendable, Hashable, CustomStringConvertible {
        case file(String)
        /// `docker-credential-NAME`.
        case helper(String)

        public var description: String {
            switch self {
            case .file(let path): shown(path, limit: 1000)
            case .helper(let name): "docker-credential-" + shown(name, limit: 100)
            }
        }
    }

    public let path: String
    /// Whether Docker Hub is called by the first address that it had, as docker does.
    private let isDockers: Bool

    /// - Parameters:
    ///   - path: the file, as for `podman login --authfile`; nil for `$REGISTRY_AUTH_FILE`, else docker's.
    ///   - variables: the process's environment.
    /// - Throws: `RegistryError` `.local` if there is no place for such a file.
    public init(path: String?, environment variables: [String: String]) throws(RegistryError) {
        func value(_ name: String) -> String? { variables[name].flatMap { $0.isEmpty ? nil : $0 } }
        if let path = path ?? value("REGISTRY_AUTH_FILE") {
            self.path = path
            isDockers = path.hasSuffix("/config.json")
        } else if let folder = value("DOCKER_CONFIG") ?? value("HOME").map({ $0 + "/.docker" }) {
            self.path = folder + "/config.json"
            isDockers = true
        } else {
            throw RegistryError(
                .local, "there is no place for the login: neither DOCKER_CONFIG nor HOME is set",
                advice: "--authfile FILE")
        }
    }

    /// Keeps a password.
    ///
    /// - Parameter host: `host[:port]`, as in an image reference.
    /// - Throws: `RegistryError`; the file is then as it was.
    public func save(username: String, password: String, for host: String) async throws -> Place {
        let registry = Reference.canonical(registry: host)
        return try await NIOThreadPool.singleton.runIfActive {
            var (text, config) = try read()
            let place: Place
            if let name = config.helperName(for: registry) {
                try CredentialHelper(name: name).store(
                    username: username, password: password, for: DockerConfig.serverKey(registry))
                // As docker does: what is logged in to is listed, without a password.
                text.set(["auths", key(registry)], to: .object([:]))
                place = .helper(name)
            } else {
                for key in config.keys(for: registry) where key != self.key(registry) { text.remove(["auths", key]) }
                let login = Base64.encode("\(username):\(password)".utf8)
                text.set(["auths", key(registry)], to: .object(["auth": .string(login)]))
                place = .file(path)
            }
            try LoginFile.replace(path, with: text.bytes)
            return place
        }
    }

    /// Forgets a password.
    ///
    /// - Returns: where it was kept; empty if nothing was known of the registry.
    public func erase(_ host: String) async throws -> [Place] {
        let registry = Reference.canonical(registry: host)
        return try await NIOThreadPool.singleton.runIfActive {
            var (text, config) = try read()
            var places: [Place] = []
            if let name = config.helperName(for: registry),
                try CredentialHelper(name: name).erase(DockerConfig.serverKey(registry))
            {
                places.append(.helper(name))
            }
            let keys = config.keys(for: registry)
            guard !keys.isEmpty else { return places }
            for key in keys { text.remove(["auths", key]) }
            try LoginFile.replace(path, with: text.bytes)
            if places.isEmpty { places.append(.file(path)) }
            return places
        }
    }

    private func key(_ registry: String) -> String { isDockers ? DockerConfig.serverKey(registry) : registry }

    private func read() throws -> (JSONText, DockerConfig) {
        let bytes = try LoginFile.read(path, upTo: DockerConfig.sizeLimit) ?? []
        guard !bytes.isEmpty else { return (JSONText(), DockerConfig()) }
        let config = try DockerConfig(parsing: bytes, path: path)
        do throws(OCIError) {
            return (try JSONText(bytes, in: path), config)
        } catch {
            throw RegistryError(.auth, error.description)
        }
    }
}

extension Registry {
    /// Asks the registry whether it takes the credentials, and reads nothing else of it.
    ///
    /// - Returns: whether it asks for any.
    /// - Throws: `RegistryError` `.auth` if it refuses them.
    public func checkLogin() async throws -> Bool {
        let request = Request(.list, .GET, root, access: Access(repository: nil, scopes: []), what: "a login")
        let answer = try await answer(request)
        guard answer.status == 200, !answer.isHTML else {
            if answer.status == 404 {
                throw RegistryError.protocolViolation(
                    "\(name) is not a registry: it has no /v2/", advice: "check the host name")
            }
            if answer.status == 401 {
                throw RegistryError(
                    .auth,
                    "\(name) refuses the login: user name or password is wrong (401\(answer.said.map { ": \($0)" } ?? ""))",
                    advice: "some registries want a token in place of the password", status: 401)
            }
            throw refusal(answer, of: "a login", in: nil)
        }
        return await authenticator.asksForLogin
    }
}
