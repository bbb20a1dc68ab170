import NIOHTTP1
import OCI

/// What a request is about, in the words of the token protocol, so that a token for it can be had and kept.
struct Access: Hashable, Sendable {
    var repository: RepositoryName?
    /// Such as `repository:team/app:pull,push`.
    var scopes: [String]

    static let catalog = Access(repository: nil, scopes: ["registry:catalog:*"])

    static func pull(_ repository: RepositoryName) -> Access {
        Access(repository: repository, scopes: ["repository:\(repository):pull"])
    }

    static func push(_ repository: RepositoryName, from other: RepositoryName? = nil) -> Access {
        Access(
            repository: repository,
            scopes: ["repository:\(repository):pull,push"] + (other.map { ["repository:\($0):pull"] } ?? []))
    }
}

/// Knows how a registry wants to be asked, and keeps its tokens.
///
/// Nothing is sent before the registry asks for it. A token is fetched once, however many requests wait for it, and
/// kept until it is nearly expired or the registry refuses it, whatever clocks say.
actor Authenticator {
    private enum Demand {
        case nothing
        case basic
        case bearer(realm: WebAddress, service: String?)
    }

    private let name: String
    private let registry: WebAddress
    private let options: RegistryOptions
    private let now: @Sendable () -> Int64
    private let tokens: any TokenFetching
    private let azure: AzureLogin?
    private let secrets: Secrets
    private var demand = Demand.nothing
    private var held: [Access: Token] = [:]
    private var fetches: [Access: Task<Token, any Error>] = [:]
    private var credentials: [RepositoryName?: Credential?] = [:]
    private var renewals: [RepositoryName?: Task<Credential?, any Error>] = [:]

    init(
        name: String, registry: WebAddress, options: RegistryOptions, now: @escaping @Sendable () -> Int64,
        tokens: any TokenFetching, azure: AzureLogin?, secrets: Secrets
    ) {
        self.name = name
        self.registry = registry
        self.options = options
        self.now = now
        self.tokens = tokens
        self.azure = azure
        self.secrets = secrets
    }

    /// The `Authorization` to send with a request; nil as long as the registry has not asked for any.
    func authorization(for access: Access) async throws -> String? {
        switch demand {
        case .nothing: nil
        case .basic: try await basic(access)
        case .bearer(let realm, let service): try await token(for: access, realm, service).header
        }
    }

    /// Answers a 401.
    ///
    /// - Parameters:
    ///   - rejected: what was sent as `Authorization`; if something newer is at hand, that is the answer.
    ///   - fields: the `WWW-Authenticate` header.
    func answer(_ fields: [String], to access: Access, rejected: String?) async throws -> String {
        try understand(fields)
        switch demand {
        case .nothing: throw refused("it asks for no kind of credentials that is known")
        case .basic:
            guard let header = try await basic(access) else { throw refused("it asks for a login") }
            guard header == rejected else { return header }
            // Some passwords are good for some hours only, and their helper has a new one.
            guard let known = credentials[access.repository] ?? nil,
                try await renew(known, access) != nil, let renewed = try await basic(access)
            else { throw refused("user name or password is wrong") }
            return renewed
        case .bearer(let realm, let service):
            if let token = held[access], token.header == rejected { held[access] = nil }
            return try await token(for: access, realm, service).header
        }
    }

    /// Whether the registry has asked for credentials so far.
    var asksForLogin: Bool { if case .nothing = demand { false } else { true } }

    /// Forgets a token that was refused.
    func discard(_ rejected: String?, for access: Access) {
        if held[access]?.header == rejected { held[access] = nil }
    }

    /// The strongest challenge that is known: bearer before basic.
    private func understand(_ fields: [String]) throws(RegistryError) {
        guard !fields.isEmpty else { throw refused("it answers 401 without saying what it wants") }
        guard let challenges = Challenge.parse(fields) else {
            throw refused("its WWW-Authenticate header is malformed: \(shown(fields[0], limit: 100))")
        }
        if let bearer = challenges.first(where: { $0.scheme == "bearer" && $0.parameters["realm"] != nil }) {
            let realm = try Realm.check(
                bearer.parameters["realm"] ?? "", of: registry, trusted: options.trustedRealms)
            // A registry of Azure gives its own tokens; what is good for it goes to nobody else.
            guard azure == nil || realm.hasSameOrigin(as: registry) else {
                throw RegistryError(
                    .policy, "\(name) names the token service of another origin, \(shown(realm.origin))",
                    advice: "credentials: azure is for registries of Azure")
            }
            demand = .bearer(realm: realm, service: bearer.parameters["service"])
        } else if challenges.contains(where: { $0.scheme == "basic" }) {
            demand = .basic
        } else {
            let schemes = challenges.map { shown($0.scheme, limit: 40) }.joined(separator: ", ")
            throw refused("it asks for credentials in a way that is not known: \(schemes)")
        }
    }

    private func basic(_ access: Access) async throws -> String? {
        guard case .password(let username, let password)? = try await credential(access) else { return nil }
        return basicHeader(username: username, password: password)
    }

    private func token(for access: Access, _ realm: WebAddress, _ service: String?) async throws -> Token {
        if let token = held[access], token.expires > now() { return token }
        if let fetch = fetches[access] { return try await fetch.value }
        // Not a child task: those who wait for it come and go.
        let fetch = Task { [tokens] in
            let credential = try await self.credential(access)
            do {
                return try await tokens.fetch(access, realm, service: service, as: credential)
            } catch let error as RegistryError where error.kind == .auth {
                guard let credential, let renewed = try await self.renew(credential, access) else { throw error }
                return try await tokens.fetch(access, realm, service: service, as: renewed)
            }
        }
        fetches[access] = fetch
        defer { fetches[access] = nil }
        let token = try await fetch.value
        secrets.add(token.header)
        held[access] = token
        return token
    }

    private func credential(_ access: Access) async throws -> Credential? {
        if let known = credentials[access.repository] { return known }
        let found = try await look(access.repository, after: nil)
        credentials[access.repository] = .some(found)
        return found
    }

    private func look(_ repository: RepositoryName?, after rejected: Credential?) async throws -> Credential? {
        let found =
            if let azure { try await azure.credential(after: rejected) } else {
                try await options.credentials.credential(for: name, repository)
            }
        secrets.add(found)
        return found
    }

    /// Looks again where a credential came from that is refused, once for all that wait for it.
    ///
    /// - Returns: nil if there is no other one.
    private func renew(_ rejected: Credential, _ access: Access) async throws -> Credential? {
        let repository = access.repository
        if let known = credentials[repository] ?? nil, known != rejected { return known }
        let renewal = renewals[repository] ?? Task { try await self.look(repository, after: rejected) }
        renewals[repository] = renewal
        defer { renewals[repository] = nil }
        guard let found = try await renewal.value, found != rejected else { return nil }
        credentials[repository] = .some(found)
        return found
    }

    private func refused(_ reason: String) -> RegistryError {
        RegistryError(.auth, "\(name) refuses access: \(reason)", advice: "lifeboat login \(name)", status: 401)
    }
}

func basicHeader(username: String, password: String) -> String {
    "Basic " + Base64.encode("\(username):\(password)".utf8)
}
