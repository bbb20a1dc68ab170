import NIOCore
import NIOHTTP1
import OCI
import OCIRegistry
import TestSupport
import Testing

struct FaultTests {
    @Test(arguments: [408, 425, 429, 500, 502, 503, 504])
    func `R17: a status that may pass is tried again`(status: Int) async throws {
        try await withScript { request in
            request.number < 2 ? ScriptedAnswer(status) : .json(#"{"tags":["a"]}"#)
        } _: { repository, server in
            let retries = RetryCount()
            let tags = try await RetryCount.$current.withValue(retries) { try await repository.tags() }
            #expect(tags.map(\.description) == ["a"])
            #expect(server.requests.count == 3)
            #expect(retries.value == 2)
        }
    }

    @Test func `it ends as unavailable when it does not pass`() async throws {
        try await withScript { _ in
            ScriptedAnswer(503, text: "over\u{7}loaded")
        } _: { repository, server in
            let error = try await failure { try await repository.tags() }
            #expect(error.kind == .unavailable)
            #expect(error.description.contains("answers 503 to the list of tags"))
            #expect(error.description.hasSuffix("after 3 attempts"))
            #expect(server.requests.count == 3)
        }
    }

    @Test func `R16: the wait that is asked for is kept`() async throws {
        try await withScript { request in
            request.number == 0 ? ScriptedAnswer(429, ["Retry-After": "1"]) : .json(#"{"tags":[]}"#)
        } _: { repository, _ in
            let start = ContinuousClock.now
            _ = try await repository.tags()
            #expect(ContinuousClock.now - start >= .seconds(1))
        }
    }

    @Test func `R16: a wait of ten years is an error at once`() async throws {
        try await withScript { _ in
            ScriptedAnswer(429, ["Retry-After": "315360000"])
        } _: { repository, server in
            let error = try await failure { try await repository.tags() }
            #expect(error.kind == .unavailable)
            #expect(error.description.contains("asks to wait 315360000 s, the limit is 5 s"))
            #expect(server.requests.count == 1)
        }
    }

    @Test func `a connection that is reset before the answer is made again`() async throws {
        try await withScript { request in
            request.number == 0 ? ScriptedAnswer.broken : .json(#"{"tags":["a"]}"#)
        } _: { repository, server in
            let tags = try await repository.tags()
            #expect(tags.map(\.description) == ["a"])
            #expect(server.requests.count == 2)
        }
    }

    @Test func `a port where nobody listens is named`() async throws {
        // No port that was free a moment ago: another test may have taken it since.
        let port = "127.0.0.1:1"
        try await withRegistry(port) { registry in
            let error = try await failure { try await registry.repositories() }
            #expect(error.kind == .unavailable)
            #expect(error.description == "\(port) cannot be reached: connection refused, after 3 attempts")
        }
    }

    @Test func `a name that does not exist is named`() async throws {
        try await withRegistry("no-such-registry.invalid") { registry in
            let error = try await failure { try await registry.repositories() }
            #expect(error.kind == .unavailable)
            #expect(error.description.contains("the name no-such-registry.invalid is not resolved"))
        }
    }

    @Test func `TLS with a server that speaks plain HTTP says what to do`() async throws {
        try await withScript(.quick { $0.plainHTTP = false }) { _ in
            ScriptedAnswer(200)
        } _: { repository, server in
            let error = try await failure { try await repository.tags() }
            #expect(error.kind == .unavailable)
            #expect(error.advice == "--plain-http \(server.host), if that is what you want")
        }
    }

    @Test func `a server that does not speak HTTP breaks the protocol or the connection`() async throws {
        try await withScript { _ in
            ScriptedAnswer(200, ["Content-Length": "x"], text: "SSH-2.0")
        } _: { repository, _ in
            let error = try await failure { try await repository.tags() }
            #expect(error.kind == .protocolViolation)
            #expect(error.description == "\(repository.registry.name) does not speak HTTP")
            #expect(error.advice != nil)
        }
    }

    @Test func `a host that never answers is asked three times, whatever the policy`() async throws {
        let options = RegistryOptions.quick {
            $0.idleTimeout = .milliseconds(80)
            $0.headerTimeout = .milliseconds(100)
            $0.retry.attempts = 20
        }
        try await withScript(options) { _ in
            .silent
        } _: { repository, server in
            let error = try await failure { try await repository.tags() }
            #expect(error.kind == .unavailable)
            #expect(error.description == "\(server.host) has stalled: it has not answered for 100 ms, after 3 attempts")
            #expect(server.requests.count == 3)
        }
    }

    @Test func `the usual waits for a host that never answers add up to less than two minutes`() {
        let options = RegistryOptions()
        #expect(options.headerTimeout * 3 + options.retry.maximumDelay * 2 < .seconds(120))
    }

    @Test func `a host that is none is a mistake of the user`() async throws {
        for host in ["", "a b", "http://x", "x:99999", "-x"] {
            let error = try await failure { try await withRegistry(host) { _ in } }
            #expect(error.kind == .usage)
        }
    }

    @Test func `more requests than connections wait for their turn`() async throws {
        let options = RegistryOptions.quick { $0.connections = 2 }
        let bytes = sample(100_000)
        try await withScript(options) { request in
            request.method == .POST
                ? ScriptedAnswer(202, ["Location": "/upload"])
                : request.method == .PUT ? ScriptedAnswer(201) : ScriptedAnswer(200, body: bytes)
        } _: { repository, _ in
            // Copies within one registry: each upload needs a download beside it.
            try await forEach(0..<12, limit: 12) { _ in
                try await repository.read(.layer(bytes)) { content in try await repository.write(content) }
            }
        }
    }
}
