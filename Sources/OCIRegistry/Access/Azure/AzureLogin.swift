import NIOCore
import OCI

/// Logs in to an Azure container registry: a token of Microsoft Entra for a refresh token of the registry, which the
/// token protocol then changes into access tokens.
///
/// The token of Entra is good for all registries of the account. So it goes to hosts of Azure only, and there to the
/// registry that the user has named.
actor AzureLogin {
    /// How long a refresh token is used; the registry's are good for three hours.
    static let lifetime: Int64 = 60 * 60 * 1000
    private static let domains = [".azurecr.io", ".azurecr.cn", ".azurecr.us", ".azurecr.de"]

    private let name: String
    private let registry: WebAddress
    private let identity: @Sendable () throws -> AzureIdentity
    private let now: @Sendable () -> Int64
    private let send: @Sendable (Request) async throws -> Answer
    private var held: (credential: Credential, expires: Int64)?
    private var exchange: Task<Credential, any Error>?

    /// - Parameter send: sends a request with retries and follows no redirect.
    init(
        name: String, registry: WebAddress, identity: @escaping @Sendable () throws -> AzureIdentity,
        now: @escaping @Sendable () -> Int64, send: @escaping @Sendable (Request) async throws -> Answer
    ) {
        self.name = name
        self.registry = registry
        self.identity = identity
        self.now = now
        self.send = send
    }

    /// A refresh token of the registry, got once for all that wait for it.
    ///
    /// - Parameter rejected: what the registry no longer takes, if that is why it is asked for.
    func credential(after rejected: Credential?) async throws -> Credential {
        if let held, held.expires > now(), held.credential != rejected { return held.credential }
        if let exchange { return try await exchange.value }
        // Not a child task: those who wait for it come and go.
        let task = Task { try await logIn() }
        exchange = task
        defer { exchange = nil }
        let credential = try await task.value
        held = (credential, now() + AzureLogin.lifetime)
        return credential
    }

    private func logIn() async throws -> Credential {
        guard AzureLogin.domains.contains(where: registry.host.hasSuffix) || registry.network == .loopback else {
            throw RegistryError(
                .policy, "\(name) is not a registry of Azure, so no token of Microsoft Entra is sent to it",
                advice:
                    "credentials: azure is for hosts under \(AzureLogin.domains.map { "*" + $0 }.joined(separator: ", "))"
            )
        }
        guard registry.scheme == .https || registry.network == .loopback else {
            throw RegistryError(
                .policy, "\(name) is spoken to without TLS, so no token of Microsoft Entra is sent to it")
        }
        let identity = try identity()
        let token = try await text(
            "access_token", of: try await send(try await identity.request()), from: identity.summary)
        var parameters = [("grant_type", "access_token"), ("service", registry.authority)]
        if let tenant = identity.tenant { parameters.append(("tenant", tenant)) }
        parameters.append(("access_token", token))
        let request = Request.form(registry.at("/oauth2/exchange"), parameters, what: "a refresh token")
        return .identityToken(try await text("refresh_token", of: try await send(request), from: name))
    }

    private func text(_ member: String, of answer: Answer, from service: String) async throws -> String {
        let json: JSONValue
        do throws(OCIError) {
            json = try JSONValue(parsing: answer.body, in: "the answer")
        } catch {
            throw AzureIdentity.failed("\(service) answers \(answer.status), without JSON")
        }
        guard answer.status == 200 else {
            // Its code only: a description can repeat what was sent.
            let code = json["error"]?.stringValue ?? answer.errorCodes.sorted().joined(separator: " ")
            throw AzureIdentity.failed("\(service) refuses (\(answer.status) \(shown(code, limit: 80)))")
        }
        guard let text = json[member]?.stringValue, !text.isEmpty else {
            throw AzureIdentity.failed("\(service) answers without \(member)")
        }
        return text
    }
}
