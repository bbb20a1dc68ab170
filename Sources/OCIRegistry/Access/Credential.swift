import OCI

/// Who we are to a registry. Never shown.
public enum Credential: Hashable, Sendable {
    case password(username: String, password: String)
    /// A refresh token, which a token service changes into access tokens (OAuth 2).
    case identityToken(String)
    /// A bearer token for the registry itself.
    case registryToken(String)
}

extension Credential: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    public var description: String { "(credentials)" }
    public var debugDescription: String { description }
    public var customMirror: Mirror { Mirror(self, children: []) }
}

/// Where the credentials for a registry come from.
public enum CredentialSource: Sendable {
    case anonymous
    case fixed(Credential)
    /// What `docker login` and `podman login` have left: config.json, auth.json and the helpers that they name.
    case docker
    /// What a program prints, as a credential helper of docker does: `{"Username": "…", "Secret": "…"}`.
    ///
    /// Started without a shell, with the registry's name on its standard input.
    case command([String])
    /// An identity of Microsoft Entra, for registries of Azure only.
    ///
    /// - Parameter variables: the environment that says which; it is looked at when a registry asks for a login.
    case azure(variables: [String: String])
    /// - Parameters: the registry's name (`docker.io` for Docker Hub) and the repository, if it is about one.
    case lookup(@Sendable (_ registry: String, _ repository: RepositoryName?) async throws -> Credential?)

    func credential(for registry: String, _ repository: RepositoryName?) async throws -> Credential? {
        switch self {
        case .anonymous: nil
        case .fixed(let credential): credential
        case .command(let words): try await CredentialHelper(command: words).credential(for: registry)
        case .docker: try await DockerLogins.find(registry, repository)
        case .lookup(let find): try await find(registry, repository)
        // Needs the registry to ask, see `AzureLogin`.
        case .azure: nil
        }
    }
}

extension CredentialSource: CustomStringConvertible, CustomReflectable {
    public var description: String { "(credentials)" }
    public var customMirror: Mirror { Mirror(self, children: []) }
}
