import NIOCore
import NIOHTTP1
import OCI
import OCIRegistry
import Synchronization
import TestSupport
import Testing

struct AccessTests {
    private static let login = RegistryOptions.quick {
        $0.credentials = .fixed(.password(username: "user", password: "hunter2"))
    }

    /// A registry that wants a token of its own token service, `t<number>`.
    private static func registry(
        isValid: @escaping @Sendable (_ token: String) -> Bool = { _ in true },
        _ answer: @escaping @Sendable (ScriptedRequest) -> ScriptedAnswer
    ) -> ScriptedRegistry.Script {
        let count = Mutex(0)
        return { request in
            if request.path == "/token" {
                let number = count.withLock { count in
                    count += 1
                    return count
                }
                return .json(#"{"token":"t\#(number)","expires_in":300}"#)
            }
            guard let header = request.header("Authorization"), header.hasPrefix("Bearer "),
                isValid(String(header.dropFirst("Bearer ".count)))
            else {
                let realm = "http://\(request.header("Host") ?? "")/token"
                return ScriptedAnswer(
                    401,
                    ["WWW-Authenticate": "Bearer realm=\"\(realm)\",service=\"s\",scope=\"repository:team/app:pull\""])
            }
            return answer(request)
        }
    }

    @Test func `a token is fetched once for all that wait for it`() async throws {
        let manifest = try image([])
        try await withScript(Self.login, Self.registry { _ in .manifest(manifest) }) { repository, server in
            try await forEach(0..<20, limit: 20) { _ in _ = try await repository.resolve(.tag(.latest)) }
            let tokens = server.requests.filter { $0.path == "/token" }
            #expect(tokens.count == 1)
            #expect(tokens[0].uri == "/token?service=s&scope=repository:team/app:pull")
            #expect(tokens[0].header("Authorization") == "Basic dXNlcjpodW50ZXIy")
            // Those who know the token from the beginning are not challenged.
            _ = try await repository.resolve(.tag(.latest))
            #expect(server.requests.last?.header("Authorization") == "Bearer t1")
        }
    }

    @Test func `a token that is refused is renewed once`() async throws {
        let manifest = try image([])
        let revoked = Mutex<Set<String>>([])
        let script = Self.registry(isValid: { token in revoked.withLock { !$0.contains(token) } }) { _ in
            .manifest(manifest)
        }
        try await withScript(Self.login, script) { repository, server in
            _ = try await repository.resolve(.tag(.latest))
            revoked.withLock { _ = $0.insert("t1") }
            _ = try await repository.resolve(.tag(.latest))
            #expect(server.requests.count { $0.path == "/token" } == 2)
        }
    }

    @Test func `R19: a registry that refuses every token is an error after one renewal`() async throws {
        try await withScript(Self.login, Self.registry(isValid: { _ in false }) { _ in ScriptedAnswer(200) }) {
            repository, server in
            let error = try await failure { try await repository.tags() }
            #expect(error.kind == .auth)
            #expect(error.advice?.contains("lifeboat login") == true)
            #expect(server.requests.count == 3)
        }
    }

    @Test func `a refused login is an error that keeps the password`() async throws {
        try await withScript(Self.login) { request in
            request.path == "/token"
                ? .error(401, "UNAUTHORIZED", "incorrect username or password")
                : ScriptedAnswer(
                    401,
                    ["WWW-Authenticate": "Bearer realm=\"http://\(request.header("Host") ?? "")/token\""])
        } _: { repository, _ in
            let error = try await failure { try await repository.tags() }
            #expect(error.kind == .auth)
            #expect(error.description.contains("refuses the login"))
            #expect(!error.description.contains("hunter2"))
            #expect(!error.description.contains("dXNlcjpodW50ZXIy"))
        }
    }

    @Test(arguments: [
        "Bearer realm=\"http://169.254.169.254/token\"", "Bearer realm=\"http://127.0.0.1:1/token\"",
        "Bearer realm=\"http://user:pw@auth.example.org/token\"",
    ])
    func `nothing is sent to a token service that is not trusted`(challenge: String) async throws {
        try await withScript(Self.login) { _ in
            ScriptedAnswer(401, ["WWW-Authenticate": challenge])
        } _: { repository, server in
            let error = try await failure { try await repository.tags() }
            #expect(error.kind == .policy)
            #expect(server.requests.count == 1)
            #expect(server.requests[0].header("Authorization") == nil)
        }
    }

    @Test(arguments: ["Bearer realm=\"http", "Negotiate", ""])
    func `a challenge that is not understood is an error of access`(challenge: String) async throws {
        try await withScript(Self.login) { _ in
            ScriptedAnswer(401, challenge.isEmpty ? [:] : ["WWW-Authenticate": challenge])
        } _: { repository, _ in
            let error = try await failure { try await repository.tags() }
            #expect(error.kind == .auth)
        }
    }

    @Test func `R22: a token service that redirects is refused`() async throws {
        try await withScript(Self.login) { request in
            request.path == "/token"
                ? ScriptedAnswer(302, ["Location": "http://169.254.169.254/"])
                : ScriptedAnswer(
                    401, ["WWW-Authenticate": "Bearer realm=\"http://\(request.header("Host") ?? "")/token\""])
        } _: { repository, _ in
            let error = try await failure { try await repository.tags() }
            #expect(error.kind == .policy)
        }
    }

    @Test func `a refresh token is changed by POST`() async throws {
        let options = RegistryOptions.quick { $0.credentials = .fixed(.identityToken("re fresh")) }
        try await withScript(options, Self.registry { _ in .json(#"{"tags":["a"]}"#) }) { repository, server in
            _ = try await repository.tags()
            let request = try #require(server.requests.first { $0.path == "/token" })
            #expect(request.method == .POST)
            let body = String(buffer: request.body)
            #expect(body.contains("grant_type=refresh_token"))
            #expect(body.contains("refresh_token=re%20fresh"))
        }
    }

    @Test func `without a login it is tried without one, and the error says what is missing`() async throws {
        try await withScript { _ in
            ScriptedAnswer(401, ["WWW-Authenticate": "Basic realm=\"r\""])
        } _: { repository, server in
            let error = try await failure { try await repository.tags() }
            #expect(error.kind == .auth)
            #expect(error.description == "\(server.host) refuses access: it asks for a login")
            #expect(server.requests.count == 1)
        }
    }
}
