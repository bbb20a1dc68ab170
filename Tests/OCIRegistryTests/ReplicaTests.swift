import NIOCore
import NIOHTTP1
import OCI
import OCIRegistry
import Synchronization
import TestSupport
import Testing

/// One name, two replicas behind it, each of which sees late what the other one was sent (N7).
///
/// Many requests, so one after the other; nothing depends on how fast they are.
@Suite(.serialized) struct ReplicaTests {
    /// What two replicas hold, and what is on its way between them.
    private final class Replicas: Sendable {
        /// After how many requests, to either, one sees what the other was sent.
        static let lag = 30

        private struct State {
            var requests = 0
            /// What is there, with the number of the request from which on it is.
            var contents: [[String: Int]] = [[:], [:]]
            var sessions: [Set<String>] = [[], []]
            var manifests: [String: ByteBuffer] = [:]
        }

        private let state = Mutex(State())

        func script(_ replica: Int) -> ScriptedRegistry.Script {
            { request in self.state.withLock { self.answer(request, replica, &$0) } }
        }

        private func answer(_ request: ScriptedRequest, _ replica: Int, _ state: inout State) -> ScriptedAnswer {
            state.requests += 1
            let now = state.requests
            func holds(_ name: String) -> Bool { state.contents[replica][name].map { $0 <= now } ?? false }
            func store(_ name: String) {
                state.contents[replica][name] = 0
                if state.contents[1 - replica][name] == nil { state.contents[1 - replica][name] = now + Self.lag }
            }
            switch request.method {
            case .POST:
                let session = "/upload/\(replica)-\(now)"
                state.sessions[replica].insert(session)
                return ScriptedAnswer(202, ["Location": session])
            case .PUT where request.path.hasPrefix("/upload/"):
                guard state.sessions[replica].remove(request.path) != nil else {
                    return .error(404, "BLOB_UPLOAD_UNKNOWN")
                }
                store("\(Digest(of: request.body, algorithm: .sha256))")
                return ScriptedAnswer(201)
            case .PUT:
                let digest = "\(Digest(of: request.body, algorithm: .sha256))"
                do {
                    let manifest = try Manifest(request.body, mediaType: nil, from: "test")
                    let missing = manifest.children.filter { !holds("\($0.digest)") }
                    guard missing.isEmpty else { return .error(400, "MANIFEST_BLOB_UNKNOWN", "\(missing[0].digest)") }
                } catch { return ScriptedAnswer(400) }
                store(digest)
                state.manifests[digest] = request.body
                return ScriptedAnswer(201, ["Docker-Content-Digest": digest])
            case .HEAD:
                return ScriptedAnswer(holds(String(request.path.split(separator: "/").last ?? "")) ? 200 : 404)
            default: return ScriptedAnswer(404)
            }
        }
    }

    /// One image of one layer, without any of the care that a run takes of what a target lacks.
    private static func push(_ number: Int, to repository: RemoteRepository) async throws {
        let config = ByteBuffer(string: "{\"number\":\(number)}")
        let layer = sample(1000 + number, seed: UInt8(number % 251))
        for blob in [config, layer] {
            try await repository.write(
                Content(blob, as: Descriptor(of: blob, mediaType: .octetStream), from: "test"))
        }
        try await repository.push(try image([.layer(layer)], config: config), tags: [Tag("t\(number)")])
    }

    /// - Returns: how many of the pushes failed.
    private static func push(_ numbers: Range<Int>, to registry: Registry) async throws -> Int {
        let failures = Mutex(0)
        try await forEach(numbers, limit: 4) { number in
            do {
                try await push(number, to: registry.repository(RepositoryName("team/app-\(number % 7)")))
            } catch is any Failure {
                failures.withLock { $0 += 1 }
            }
        }
        return failures.withLock { $0 }
    }

    private static let plain = RegistryOptions.quick { $0.plainHTTP = true }

    @Test func `N7: a thousand pushes to a name with two replicas all arrive`() async throws {
        let replicas = Replicas()
        try await ScriptedRegistry.serve(at: "127.0.0.2", replicas.script(0)) { first in
            try await ScriptedRegistry.serve(at: "127.0.0.3", port: first.port, replicas.script(1)) { second in
                var failures = 0
                // Several runs, to which the name answers with one or the other first; and one for each with it alone, since
                // on a busy machine the second may be the one that takes a connection first.
                for run in 0..<10 {
                    var options = Self.plain
                    options.lookUp = { _ in
                        let (one, other) = run.isMultiple(of: 2) ? (2, 3) : (3, 2)
                        return run < 2 ? ["127.0.0.\(one)"] : ["127.0.0.\(one)", "127.0.0.\(other)"]
                    }
                    failures += try await withRegistry("registry.invalid:\(first.port)", options) { registry in
                        try await Self.push(run * 100..<(run + 1) * 100, to: registry)
                    }
                }
                #expect(failures == 0)
                #expect(first.requests.count > 500 && second.requests.count > 500)
                let hosts = Set((first.requests + second.requests).compactMap { $0.header("Host") })
                #expect(hosts == ["registry.invalid:\(first.port)"])
            }
        }
    }

    @Test func `N7: pushes that are scattered over two replicas fail, so that the test above can`() async throws {
        let replicas = Replicas()
        try await ScriptedRegistry.serve(at: "127.0.0.2", replicas.script(0)) { first in
            try await ScriptedRegistry.serve(at: "127.0.0.3", port: first.port, replicas.script(1)) { second in
                // A proxy looks names up by itself, so that there is no address to keep to.
                try await TunnelProxy.run(to: first.host, second.host) { proxy in
                    var options = Self.plain
                    options.proxies = try ProxySettings(environment: ["http_proxy": proxy.host])
                    let failures = try await withRegistry("registry.invalid:\(first.port)", options) { registry in
                        try await Self.push(0..<200, to: registry)
                    }
                    #expect(failures > 20)
                }
            }
        }
    }

    @Test func `N7: when an address is gone, the next one is used, with nothing believed to be there`() async throws {
        let replicas = Replicas()
        try await ScriptedRegistry.serve(at: "127.0.0.3", replicas.script(1)) { second in
            var options = Self.plain
            options.lookUp = { _ in ["127.0.0.2", "127.0.0.3"] }
            try await withRegistry("registry.invalid:\(second.port)", options) { registry in
                try await ScriptedRegistry.serve(at: "127.0.0.2", port: second.port, replicas.script(0)) { first in
                    let failures = try await Self.push(0..<5, to: registry)
                    #expect(failures == 0)
                    let address = await registry.address()
                    #expect(address == "127.0.0.2")
                    #expect(second.requests.isEmpty && !first.requests.isEmpty)
                }
                // Both blobs of each image are sent again, though the first replica was sent them.
                for number in 0..<5 {
                    let repository = registry.repository(try RepositoryName("team/app-\(number % 7)"))
                    do {
                        try await Self.push(number, to: repository)
                    } catch let error as any Failure where error.kind == .unavailable {
                        // What was under way when the address went.
                        try await Self.push(number, to: repository)
                    }
                }
                let address = await registry.address()
                #expect(address == "127.0.0.3")
                #expect(second.requests.count { $0.method == .PUT && $0.path.hasPrefix("/upload/") } >= 10)
            }
        }
    }
}
