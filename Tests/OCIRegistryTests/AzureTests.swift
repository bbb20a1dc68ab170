import Foundation
import NIOCore
import NIOHTTP1
import OCI
import OCIRegistry
import Synchronization
import TestSupport
import Testing

/// Identities of Microsoft Entra, against an authority, a metadata service and a registry that are all this machine.
struct AzureTests {
    private static let tenant = "11111111-2222-3333-4444-555555555555"

    /// What Azure does, as far as it is asked: the authority, the metadata service and the registry at one address.
    private static func azure(isExpired: @escaping @Sendable (_ refreshToken: String) -> Bool = { _ in false })
        -> ScriptedRegistry.Script
    {
        let count = Mutex(0)
        return { request in
            let form = String(buffer: request.body)
            switch request.path {
            case "/\(tenant)/oauth2/v2.0/token":
                let isKnown =
                    form.contains("client_secret=s%3Fcret") || form.contains("client_assertion=federated-token")
                guard isKnown, form.contains("scope=https://containerregistry.azure.net/.default") else {
                    return .json(
                        #"{"error":"invalid_client","error_description":"what was sent: \#(form)"}"#, status: 401)
                }
                return .json(#"{"access_token":"aad-token","expires_in":3599,"token_type":"Bearer"}"#)
            case "/metadata/identity/oauth2/token":
                return request.header("Metadata") == "true" && request.uri.contains("api-version=2018-02-01")
                    ? .json(#"{"access_token":"aad-token","expires_in":"3599"}"#) : ScriptedAnswer(400)
            case "/msi/token":
                return request.header("X-IDENTITY-HEADER") == "header-secret"
                    ? .json(#"{"access_token":"aad-token"}"#) : ScriptedAnswer(400)
            case "/oauth2/exchange":
                let isRight =
                    form.contains("grant_type=access_token") && form.contains("access_token=aad-token")
                    && form.contains("service=127.0.0.1:")
                let number = count.withLock { count in
                    count += 1
                    return count
                }
                return isRight ? .json(#"{"refresh_token":"refresh-\#(number)"}"#) : ScriptedAnswer(401)
            case "/oauth2/token":
                let token = form.split(separator: "&").first { $0.hasPrefix("refresh_token=") }?.dropFirst(14) ?? ""
                return token.hasPrefix("refresh-") && !isExpired(String(token))
                    ? .json(#"{"access_token":"access-of-\#(token)"}"#) : ScriptedAnswer(401)
            default:
                guard let header = request.header("Authorization"), header.hasPrefix("Bearer access-of-refresh-"),
                    !isExpired(String(header.dropFirst("Bearer access-of-".count)))
                else {
                    let host = request.header("Host") ?? ""
                    return ScriptedAnswer(
                        401, ["WWW-Authenticate": "Bearer realm=\"http://\(host)/oauth2/token\",service=\"\(host)\""])
                }
                return .json(#"{"tags":["1"]}"#)
            }
        }
    }

    private func withAzure<R>(
        _ variables: @escaping (_ base: String) -> [String: String],
        isExpired: @escaping @Sendable (_ refreshToken: String) -> Bool = { _ in false },
        _ body: (Registry, ScriptedRegistry) async throws -> R
    ) async throws -> R {
        try await ScriptedRegistry.serve(Self.azure(isExpired: isExpired)) { server in
            let options = RegistryOptions.quick {
                $0.credentials = .azure(variables: variables("http://\(server.host)"))
            }
            return try await withRegistry(server.host, options) { try await body($0, server) }
        }
    }

    private static func principal(_ base: String) -> [String: String] {
        [
            "AZURE_TENANT_ID": tenant, "AZURE_CLIENT_ID": "app", "AZURE_CLIENT_SECRET": "s?cret",
            "AZURE_AUTHORITY_HOST": base,
        ]
    }

    @Test func `a service principal gets in, and its token is exchanged once for all repositories`() async throws {
        try await withAzure(Self.principal) { registry, server in
            try await forEach(0..<10, limit: 10) { number in
                let tags = try await registry.repository(RepositoryName("team/app-\(number)")).tags()
                #expect(tags == [try Tag("1")])
            }
            #expect(server.requests.count { $0.path.hasSuffix("/oauth2/v2.0/token") } == 1)
            #expect(server.requests.count { $0.path == "/oauth2/exchange" } == 1)
            let exchange = try #require(server.requests.first { $0.path == "/oauth2/exchange" })
            #expect(String(buffer: exchange.body).contains("tenant=\(Self.tenant)"))
            // No secret stands where logs of servers show it.
            for secret in ["s%3Fcret", "aad-token", "refresh-1"] {
                #expect(!server.requests.contains { $0.uri.contains(secret) })
            }
        }
    }

    @Test func `a federated token is read from its file`() async throws {
        try await withTemporaryFolder { folder in
            let file = folder + "/token"
            try "federated-token\n".write(toFile: file, atomically: true, encoding: .utf8)
            try await withAzure { base in
                [
                    "AZURE_TENANT_ID": Self.tenant, "AZURE_CLIENT_ID": "app", "AZURE_AUTHORITY_HOST": base,
                    "AZURE_FEDERATED_TOKEN_FILE": file,
                ]
            } _: { registry, _ in
                let tags = try await registry.repository(RepositoryName("app")).tags()
                #expect(tags.count == 1)
            }
        }
    }

    @Test func `the identity of a machine comes from its metadata service`() async throws {
        try await withAzure {
            ["AZURE_POD_IDENTITY_AUTHORITY_HOST": $0, "AZURE_CLIENT_ID": "mine"]
        } _: {
            registry, server in
            let tags = try await registry.repository(RepositoryName("app")).tags()
            #expect(tags.count == 1)
            let asked = try #require(server.requests.first { $0.path.hasPrefix("/metadata") })
            #expect(asked.uri.contains("resource=https://containerregistry.azure.net"))
            #expect(asked.uri.contains("client_id=mine"))
        }
        try await withAzure {
            ["IDENTITY_ENDPOINT": $0 + "/msi/token", "IDENTITY_HEADER": "header-secret"]
        } _: {
            registry, _ in
            let tags = try await registry.repository(RepositoryName("app")).tags()
            #expect(tags.count == 1)
        }
    }

    @Test func `a refresh token that has run out is replaced by another exchange`() async throws {
        let isOver = Mutex(false)
        try await withAzure(Self.principal, isExpired: { token in isOver.withLock { $0 } && token == "refresh-1" }) {
            registry, server in
            _ = try await registry.repository(RepositoryName("app")).tags()
            isOver.withLock { $0 = true }
            let tags = try await registry.repository(RepositoryName("app")).tags()
            #expect(tags.count == 1)
            #expect(server.requests.count { $0.path == "/oauth2/exchange" } == 2)
        }
    }

    @Test func `a refused secret is an error that shows neither it nor what the service says of it`() async throws {
        try await withAzure { base in
            var variables = Self.principal(base)
            variables["AZURE_CLIENT_SECRET"] = "wrong-secret"
            return variables
        } _: { registry, _ in
            let error = try await failure { try await registry.repository(RepositoryName("app")).tags() }
            #expect(error.kind == .auth)
            #expect(error.description.contains("refuses (401 invalid_client)"))
            #expect(!error.description.contains("wrong-secret"))
        }
    }

    @Test(arguments: [
        (["AZURE_CLIENT_SECRET": "x"], "AZURE_TENANT_ID and AZURE_CLIENT_ID must be set"),
        (["AZURE_CLIENT_CERTIFICATE_PATH": "/x"], "is not supported"),
        (
            ["AZURE_CLIENT_SECRET": "x", "AZURE_TENANT_ID": "../x", "AZURE_CLIENT_ID": "y"],
            "is not a GUID or a domain"
        ),
        (
            [
                "AZURE_CLIENT_SECRET": "x", "AZURE_TENANT_ID": "t", "AZURE_CLIENT_ID": "y",
                "AZURE_AUTHORITY_HOST": "http://login.example.org",
            ], "AZURE_AUTHORITY_HOST is not an https URL"
        ),
    ])
    func `what is missing is named before anything is sent`(variables: [String: String], text: String) async throws {
        try await withAzure { _ in
            variables
        } _: { registry, server in
            let error = try await failure { try await registry.repository(RepositoryName("app")).tags() }
            #expect(error.kind == .auth)
            #expect(error.description.contains(text))
            #expect(server.requests.count == 1)
        }
    }

    @Test func `a token service of another origin gets nothing`() async throws {
        try await ScriptedRegistry.serve { _ in
            ScriptedAnswer(500)
        } _: { other in
            let realm = "Bearer realm=\"http://\(other.host)/oauth2/token\""
            try await withScript(
                RegistryOptions.quick {
                    $0.credentials = .azure(variables: Self.principal("http://127.0.0.1:1"))
                    $0.trustedRealms = [other.host]
                }
            ) { _ in
                ScriptedAnswer(401, ["WWW-Authenticate": realm])
            } _: { repository, _ in
                let error = try await failure { try await repository.tags() }
                #expect(error.kind == .policy)
                #expect(other.requests.isEmpty)
            }
        }
    }
}
