import Foundation
import NIOCore
import NIOHTTP1
import OCI
import OCIRegistry
import Synchronization
import TestSupport
import Testing

/// Secrets that sing where they should not be: five hosts, in all the ways that a registry can send us elsewhere.
struct CanaryTests {
    private static let password = "canary-password"
    private static let token = "canary-token"
    private static let signature = "canary-signature"
    private static let proxyPassword = "canary-proxy"

    private let bytes = sample(200_000)
    private var blob: Descriptor { .layer(bytes) }

    /// The hosts, by what they are.
    private struct Hosts {
        let registry: ScriptedRegistry
        let tokens: ScriptedRegistry
        let storage: ScriptedRegistry
        let foreign: ScriptedRegistry
        let mirror: ScriptedRegistry

        /// Everything that a host was sent.
        static func heard(_ server: ScriptedRegistry) -> String {
            server.requests.map { request in
                let headers = request.headers.map { "\($0.name): \(decoded($0.value))" }.joined(separator: "\n")
                return "\(request.method) \(request.uri)\n\(headers)\n\(String(buffer: request.body))"
            }.joined(separator: "\n")
        }

        /// A value of `Authorization` with the password readable.
        private static func decoded(_ value: String) -> String {
            guard value.hasPrefix("Basic "), let data = Data(base64Encoded: String(value.dropFirst(6))) else {
                return value
            }
            return value + " " + String(decoding: data, as: UTF8.self)
        }
    }

    /// What a registry does when it is asked for something.
    private typealias Answering = @Sendable (ScriptedRequest, _ others: Others) -> ScriptedAnswer?

    /// Addresses of the other hosts, known once they run.
    private final class Others: Sendable {
        let addresses = Mutex<[String: String]>([:])

        subscript(name: String) -> String { addresses.withLock { $0[name] ?? "" } }
    }

    private func withHosts(
        realm: String = "tokens", isTrusted: Bool = true, _ answering: @escaping Answering,
        _ body: (RemoteRepository, Hosts, _ tell: (any Error) -> Void) async throws -> Void
    ) async throws {
        let others = Others()
        let said = Mutex<[String]>([])
        let log = LogLines()
        let bytes = bytes
        let issue: ScriptedRegistry.Script = { _ in .json("{\"token\":\"\(Self.token)\"}") }
        let plain: ScriptedRegistry.Script = { _ in ScriptedAnswer(200, body: bytes) }
        let script: ScriptedRegistry.Script = { request in
            guard request.header("Authorization") == "Bearer \(Self.token)" else {
                return ScriptedAnswer(
                    401, ["WWW-Authenticate": "Bearer realm=\"http://\(others[realm])/token\",service=\"s\""])
            }
            return answering(request, others)
        }
        try await ScriptedRegistry.serve(at: "127.0.0.2", script) { registry in
            try await ScriptedRegistry.serve(at: "127.0.0.3", issue) { tokens in
                try await ScriptedRegistry.serve(at: "127.0.0.4", plain) { storage in
                    try await ScriptedRegistry.serve(at: "127.0.0.5", plain) { foreign in
                        try await ScriptedRegistry.serve(at: "127.0.0.6", plain) { mirror in
                            let hosts = Hosts(
                                registry: registry, tokens: tokens, storage: storage, foreign: foreign, mirror: mirror)
                            others.addresses.withLock { addresses in
                                addresses = [
                                    "tokens": tokens.host, "storage": storage.host, "foreign": foreign.host,
                                ]
                            }
                            var options = RegistryOptions.quick {
                                $0.credentials = .fixed(.password(username: "user", password: Self.password))
                                $0.upload = .chunks(of: 50_000)
                            }
                            if isTrusted { options.trustedRealms = [tokens.host] }
                            try await withRegistry(registry.host, options, log: log) { client in
                                try await body(client.repository(RepositoryName("team/app")), hosts) { error in
                                    let advice = (error as? any Failure)?.advice ?? ""
                                    said.withLock { $0.append("\(error) \(advice) \(String(reflecting: error))") }
                                }
                            }
                            // Tokens for the registry, the password for its token service, nothing for anybody else.
                            #expect(!Hosts.heard(registry).contains(Self.password))
                            #expect(!Hosts.heard(tokens).contains(Self.token))
                            for other in [storage, foreign, mirror] {
                                let heard = Hosts.heard(other)
                                for secret in [Self.password, Self.token] { #expect(!heard.contains(secret)) }
                                #expect(!other.requests.contains { $0.headers.contains(name: "Authorization") })
                            }
                        }
                    }
                }
            }
        }
        for text in said.withLock({ $0 }) + log.lines { #expect(!text.contains("canary"), "\(text)") }
    }

    private func read(_ repository: RemoteRepository) async throws -> ByteBuffer {
        try await repository.read(blob) { try await $0.collect(upTo: .max) }
    }

    @Test func `a redirect takes no credentials along`() async throws {
        try await withHosts { _, others in
            ScriptedAnswer(307, ["Location": "http://\(others["storage"])/blob?sig=\(Self.signature)"])
        } _: { repository, hosts, _ in
            let found = try await read(repository)
            #expect(found == bytes)
            #expect(hosts.storage.requests.count == 1)
            #expect(hosts.tokens.requests.count == 1)
        }
    }

    @Test func `a signed address that fails is named without its signature`() async throws {
        try await withHosts { _, others in
            ScriptedAnswer(307, ["Location": "http://127.0.0.4:1/blob?sig=\(Self.signature)"])
        } _: { repository, _, tell in
            let error = try await failure { try await read(repository) }
            #expect(error.description.contains("127.0.0.4:1"))
            tell(error)
        }
    }

    @Test func `a token service that nobody named gets nothing`() async throws {
        try await withHosts(realm: "foreign") { _, _ in
            nil
        } _: { repository, hosts, tell in
            let error = try await failure { try await repository.tags() }
            #expect(error.kind == .policy)
            tell(error)
            #expect(hosts.foreign.requests.isEmpty)
        }
    }

    @Test(arguments: ["POST", "PATCH"])
    func `an upload is not sent to another host, at its beginning or later`(method: String) async throws {
        try await withHosts { request, others in
            request.method.rawValue == method
                ? ScriptedAnswer(202, ["Location": "http://\(others["foreign"])/upload"])
                : ScriptedAnswer(202, ["Location": "/upload/1"])
        } _: { repository, hosts, tell in
            let error = try await failure {
                try await repository.write(Content(bytes, as: blob, from: "test"))
            }
            #expect(error.kind == .policy)
            tell(error)
            #expect(hosts.foreign.requests.isEmpty)
        }
    }

    @Test func `the next page is not asked for elsewhere`() async throws {
        try await withHosts { request, others in
            .json(#"{"tags":["a"]}"#, [("Link", "<http://\(others["foreign"])/v2/next>; rel=\"next\"")])
        } _: { repository, hosts, tell in
            let error = try await failure { try await repository.tags() }
            #expect(error.kind == .policy)
            tell(error)
            #expect(hosts.foreign.requests.isEmpty)
        }
    }

    @Test func `a foreign layer is not fetched from where it says it is`() async throws {
        let others = Mutex("")
        try await withHosts { request, hosts in
            others.withLock { $0 = hosts["foreign"] }
            return request.path.contains("/blobs/") ? .error(404, "BLOB_UNKNOWN") : nil
        } _: { repository, hosts, tell in
            var layer = blob
            layer.urls = ["http://\(hosts.foreign.host)/layer"]
            let wanted = layer
            let error = try await failure {
                try await repository.read(wanted) { try await $0.collect(upTo: .max) }
            }
            #expect(error.kind == .notFound)
            tell(error)
            #expect(hosts.foreign.requests.isEmpty)
        }
    }

    @Test func `a mirror is asked without the login of the registry`() async throws {
        try await withHosts { _, _ in
            .error(404, "BLOB_UNKNOWN")
        } _: { repository, hosts, _ in
            try await withRegistry(hosts.mirror.host) { mirror in
                let store = MirroredRegistry(repository.registry, mirrors: [.init(mirror, prefix: "")])
                let source = try await store.source(RepositoryName("team/app"))
                let found = try await source.read(blob) { try await $0.collect(upTo: .max) }
                #expect(found == bytes)
                #expect(hosts.mirror.requests.count == 1)
            }
        }
    }

    @Test func `a proxy hears the name of the registry and its own login`() async throws {
        try await withHosts { _, _ in
            nil
        } _: { repository, hosts, tell in
            try await TunnelProxy.run(to: hosts.storage.host, login: "user:\(Self.proxyPassword)") { proxy in
                var options = RegistryOptions.quick {
                    $0.plainHTTP = true
                    $0.credentials = .fixed(.password(username: "user", password: Self.password))
                }
                options.proxies = try ProxySettings(environment: [
                    "http_proxy": "http://user:\(Self.proxyPassword)@\(proxy.host)"
                ])
                try await withRegistry("registry.invalid", options) { registry in
                    let other = registry.repository(try RepositoryName("team/app"))
                    let found = try await other.read(blob) { try await $0.collect(upTo: .max) }
                    #expect(found == bytes)
                }
                options.proxies = try ProxySettings(environment: [
                    "http_proxy": "http://user:canary-wrong@\(proxy.host)"
                ])
                try await withRegistry("registry.invalid", options) { registry in
                    let other = registry.repository(try RepositoryName("team/app"))
                    tell(try await failure { try await other.tags() })
                }
                #expect(!proxy.heads.isEmpty)
                #expect(!proxy.heads.joined().contains(Self.password))
                #expect(!Hosts.heard(hosts.storage).contains(Self.proxyPassword))
            }
        }
    }

    @Test(arguments: [400, 401, 403, 404, 429, 500])
    func `a registry that repeats what it was sent does not get it into an error`(status: Int) async throws {
        try await withHosts { request, _ in
            let header = request.header("Authorization") ?? ""
            return .error(status, "ECHO", "you sent \(header)")
        } _: { repository, _, tell in
            tell(try await failure { try await repository.tags() })
            tell(try await failure { try await read(repository) })
            tell(try await failure { try await repository.write(Content(bytes, as: blob, from: "test")) })
            tell(try await failure { try await repository.push(try image([]), tags: [.latest]) })
        }
    }

    @Test func `a token service that repeats the password does not get it into an error`() async throws {
        let script: ScriptedRegistry.Script = { request in
            request.path == "/token"
                ? .error(401, "DENIED", "no such user: \(request.header("Authorization") ?? "") canary-password")
                : ScriptedAnswer(
                    401, ["WWW-Authenticate": "Bearer realm=\"http://\(request.header("Host") ?? "")/token\""])
        }
        let options = RegistryOptions.quick {
            $0.credentials = .fixed(.password(username: "user", password: Self.password))
        }
        try await withScript(options, script) { repository, _ in
            let error = try await failure { try await repository.tags() }
            #expect(error.kind == .auth)
            #expect(error.description.contains("(hidden)"))
            #expect(!error.description.contains("canary"))
            #expect(!error.description.contains("dXNlcjpjYW5hcnktcGFzc3dvcmQ"))
        }
    }
}
