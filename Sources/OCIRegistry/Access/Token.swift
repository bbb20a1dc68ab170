import NIOCore
import NIOHTTP1
import OCI

/// A bearer token and how long it is good for.
struct Token: Sendable {
    /// The largest answer of a token service that is read.
    static let answerLimit = 1 << 20

    /// The value of the `Authorization` header.
    let header: String
    /// Milliseconds since 1970.
    let expires: Int64
}

/// Gets tokens from a token service.
protocol TokenFetching: Sendable {
    func fetch(_ access: Access, _ realm: WebAddress, service: String?, as credential: Credential?) async throws
        -> Token
}

/// The token protocol of the distribution project: GET with a password, POST with a refresh token (OAuth 2).
struct TokenService: TokenFetching {
    let name: String
    let secrets: Secrets
    let now: @Sendable () -> Int64
    /// Sends a request with retries, follows no redirect to another origin.
    let send: @Sendable (Request) async throws -> Answer

    func fetch(_ access: Access, _ realm: WebAddress, service: String?, as credential: Credential?) async throws
        -> Token
    {
        if case .registryToken(let token)? = credential { return try Token(token, expires: .max, from: name) }
        var answer = try await send(request(access, realm, service, credential))
        if answer.status != 200 { answer.body = secrets.hidden(in: answer.body) }
        guard answer.status == 200 else { throw refusal(answer, by: realm, credential) }
        return try token(answer, from: realm)
    }

    private func request(_ access: Access, _ realm: WebAddress, _ service: String?, _ credential: Credential?)
        -> Request
    {
        var parameters = access.scopes.map { ("scope", $0) }
        if let service { parameters.insert(("service", service), at: 0) }
        var request = Request(.token, .GET, realm, access: nil, what: "a token")
        request.bodyLimit = Token.answerLimit
        switch credential {
        case .identityToken(let token)?:
            parameters = parameters.filter { $0.0 != "scope" } + [("scope", access.scopes.joined(separator: " "))]
            parameters += [("grant_type", "refresh_token"), ("client_id", "lifeboat"), ("refresh_token", token)]
            request.method = .POST
            request.headers.add(name: "Content-Type", value: "application/x-www-form-urlencoded")
            request.body = ByteBuffer(string: Form.text(parameters))
        case .password(let username, let password)?:
            request.headers.add(
                name: "Authorization", value: basicHeader(username: username, password: password))
            fallthrough
        default:
            let separator = realm.target.contains("?") ? "&" : "?"
            request.address = realm.at(realm.target + separator + Form.text(parameters))
        }
        return request
    }

    private func token(_ answer: Answer, from realm: WebAddress) throws(RegistryError) -> Token {
        let json: JSONValue
        do throws(OCIError) {
            json = try JSONValue(parsing: answer.body, in: "the answer")
        } catch {
            throw RegistryError(.auth, "the token service \(realm.origin) of \(name) does not answer with JSON")
        }
        guard let text = json["token"]?.stringValue ?? json["access_token"]?.stringValue, !text.isEmpty else {
            throw RegistryError(.auth, "the token service \(realm.origin) of \(name) answers without a token")
        }
        let stated = json["expires_in"]?.integerValue ?? 0
        // Without a time it is 60 seconds; the last tenth is left for clocks and for the way.
        let seconds = min(stated > 0 ? stated : 60, 86_400)
        return try Token(text, expires: now() + seconds * 900, from: name)
    }

    private func refusal(_ answer: Answer, by realm: WebAddress, _ credential: Credential?) -> RegistryError {
        let said = answer.said.map { ": \($0)" } ?? ""
        let reason =
            credential == nil
            ? "the token service \(realm.origin) gives none without a login (\(answer.status)\(said))"
            : "the token service \(realm.origin) refuses the login (\(answer.status)\(said))"
        return RegistryError(
            .auth, "\(name) refuses access: \(reason)", advice: "lifeboat login \(name)", status: answer.status)
    }
}

extension Token {
    /// - Throws: `RegistryError` `.auth` for a token that cannot stand in a header.
    fileprivate init(_ text: String, expires: Int64, from name: String) throws(RegistryError) {
        guard text.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f }) else {
            throw RegistryError(.auth, "the token for \(name) is malformed")
        }
        self.init(header: "Bearer " + text, expires: expires)
    }
}
