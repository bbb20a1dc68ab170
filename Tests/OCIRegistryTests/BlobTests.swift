import NIOCore
import NIOHTTP1
import OCI
import OCIRegistry
import Synchronization
import TestSupport
import Testing

struct BlobTests {
    private let bytes = sample(300_000)
    private var blob: Descriptor { .layer(bytes) }

    private func part(_ bytes: ByteBuffer, from offset: Int, ending: ScriptedAnswer.Ending = .whole) -> ScriptedAnswer {
        var rest = bytes
        rest.moveReaderIndex(forwardBy: offset)
        let total = bytes.readableBytes
        return ScriptedAnswer(
            206, ["Content-Range": "bytes \(offset)-\(total - 1)/\(total)"], body: rest, ending: ending)
    }

    private func offset(_ request: ScriptedRequest) -> Int {
        Int(request.header("Range")?.dropFirst("bytes=".count).dropLast() ?? "0") ?? -1
    }

    private func collect(_ repository: RemoteRepository) async throws -> ByteBuffer {
        try await repository.read(blob) { try await $0.collect(upTo: 1 << 20) }
    }

    @Test(arguments: [
        ScriptedAnswer.Ending.reset(after: 100_000), .close(after: 100_000), .stall(after: 100_000),
        .reset(after: 0),
    ])
    func `R2: a download that breaks off goes on where it was`(ending: ScriptedAnswer.Ending) async throws {
        // Patience where nobody is to wait: the machine may be busy.
        let options = RegistryOptions.quick { if case .stall = ending { $0.idleTimeout = .seconds(2) } }
        try await withScript(options) { request in
            request.number == 0
                ? ScriptedAnswer(200, body: bytes, ending: ending) : part(bytes, from: offset(request))
        } _: { repository, server in
            let collected = try await collect(repository)
            #expect(collected == bytes)
            #expect(server.requests.count == 2)
            if ending != .reset(after: 0) { #expect(offset(server.requests[1]) == 100_000) }
        }
    }

    @Test func `attempts are counted since the last progress`() async throws {
        // Twelve breaks, with three attempts allowed.
        try await withScript { request in
            let start = offset(request)
            return start == 0
                ? ScriptedAnswer(200, body: bytes, ending: .close(after: 25_000))
                : part(bytes, from: start, ending: .close(after: 25_000))
        } _: { repository, server in
            let collected = try await collect(repository)
            #expect(collected == bytes)
            #expect(server.requests.count == 12)
        }
    }

    @Test func `without progress it ends as unavailable`() async throws {
        try await withScript { _ in
            ScriptedAnswer(200, body: bytes, ending: .close(after: 0))
        } _: { repository, server in
            let error = try await failure { try await collect(repository) }
            #expect(error.kind == .unavailable)
            #expect(error.description.hasSuffix("after 3 attempts"))
            #expect(server.requests.count == 3)
        }
    }

    @Test func `an answer that is all of it is skipped up to the place`() async throws {
        try await withScript { request in
            ScriptedAnswer(200, body: bytes, ending: request.number == 0 ? .close(after: 70_000) : .whole)
        } _: { repository, server in
            let collected = try await collect(repository)
            #expect(collected == bytes)
            #expect(offset(server.requests[1]) == 70_000)
        }
    }

    @Test(arguments: ["bytes 0-299999/300000", "bytes 70000-299999/400000", "", "bytes 70000-400000/*"])
    func `R7: an answer of another range is not used`(range: String) async throws {
        try await withScript { request in
            if request.number == 0 { return ScriptedAnswer(200, body: bytes, ending: .close(after: 70_000)) }
            if request.header("Range") == nil { return ScriptedAnswer(200, body: bytes) }
            return ScriptedAnswer(206, range.isEmpty ? [:] : ["Content-Range": range], body: sample(230_000, seed: 9))
        } _: { repository, server in
            let collected = try await collect(repository)
            #expect(collected == bytes)
            #expect(server.requests.count == 3)
        }
    }

    @Test func `reading goes on after what is known already`() async throws {
        var prefix = Prefix(.sha256)
        prefix.append(try #require(bytes.getSlice(at: 0, length: 123_456)))
        let known = prefix
        try await withScript {
            part(bytes, from: offset($0))
        } _: { repository, server in
            let rest = try await repository.read(blob, after: known) { try await $0.collect(upTo: 1 << 20) }
            #expect(rest == bytes.getSlice(at: 123_456, length: 300_000 - 123_456))
            #expect(server.requests.count == 1)
        }
    }

    @Test func `R1: wrong bytes are damaged and not asked for again`() async throws {
        let other = sample(300_000, seed: 2)
        try await withScript { _ in
            ScriptedAnswer(200, body: other)
        } _: { repository, server in
            let error = try await failure { try await collect(repository) }
            #expect(error.kind == .damaged)
            #expect(server.requests.count == 1)
        }
    }

    @Test(arguments: [299_999, 300_001])
    func `R3: a blob of another size is damaged`(size: Int) async throws {
        try await withScript { _ in
            ScriptedAnswer(200, body: sample(size))
        } _: { repository, server in
            let error = try await failure { try await collect(repository) }
            #expect(error.kind == .damaged)
            #expect(server.requests.count == 1)
        }
    }

    @Test func `an error of the reader is passed on as it is, without another try`() async throws {
        struct Full: Error {}
        try await withScript { _ in
            ScriptedAnswer(200, body: bytes)
        } _: { repository, server in
            await #expect(throws: Full.self) {
                try await repository.read(blob) { try await $0.forEachChunk { _ in throw Full() } }
            }
            #expect(server.requests.count == 1)
        }
    }

    @Test func `R5: a chunked answer without a length works`() async throws {
        let text = "0123456789"
        try await withScript { _ in
            ScriptedAnswer(200, ["Transfer-Encoding": "chunked"], text: "a\r\n\(text)\r\n0\r\n\r\n")
        } _: { repository, _ in
            let blob = Descriptor.layer(ByteBuffer(string: text))
            try await repository.read(blob) { try await $0.verify() }
        }
    }

    @Test func `R6: a layer that is only labelled as encoded is taken as it is`() async throws {
        try await withScript { _ in
            ScriptedAnswer(200, ["Content-Encoding": "gzip"], body: bytes)
        } _: { repository, _ in
            let collected = try await collect(repository)
            #expect(collected == bytes)
        }
    }

    @Test func `R24: credentials do not follow a redirect to another origin`() async throws {
        let options = RegistryOptions.quick { $0.credentials = .fixed(.password(username: "u", password: "p")) }
        try await ScriptedRegistry.serve { request in
            request.header("Authorization") == nil ? ScriptedAnswer(200, body: bytes) : ScriptedAnswer(500)
        } _: { storage in
            let location = "http://\(storage.host)/signed?signature=secret"
            try await withScript(options) { request in
                request.header("Authorization") == nil
                    ? ScriptedAnswer(401, ["WWW-Authenticate": "Basic realm=\"r\""])
                    : ScriptedAnswer(307, ["Location": location])
            } _: { repository, server in
                let collected = try await collect(repository)
                #expect(collected == bytes)
                #expect(storage.lines == ["GET /signed?signature=secret"])
                #expect(server.requests.last?.header("Authorization") == "Basic dTpw")
            }
        }
    }

    @Test func `R26: an address of the storage that has run out is replaced`() async throws {
        try await ScriptedRegistry.serve { request in
            if request.path == "/first" { return ScriptedAnswer(200, body: bytes, ending: .close(after: 50_000)) }
            return request.path == "/third" ? part(bytes, from: offset(request)) : ScriptedAnswer(403)
        } _: { storage in
            let host = storage.host
            try await withScript { request in
                ScriptedAnswer(307, ["Location": "http://\(host)/\(["first", "second", "third"][request.number])"])
            } _: { repository, _ in
                let collected = try await collect(repository)
                #expect(collected == bytes)
            }
        }
    }

    @Test(arguments: [
        "http://169.254.169.254/latest/meta-data/", "file:///etc/passwd", "http://[fe80::1]/", "http://0x7f.1/",
    ])
    func `R25: redirects to where nothing is to be had are refused`(location: String) async throws {
        try await withScript { _ in
            ScriptedAnswer(307, ["Location": location])
        } _: { repository, _ in
            let error = try await failure { try await collect(repository) }
            #expect(error.kind == .policy)
        }
    }

    @Test func `a redirect to itself ends`() async throws {
        try await withScript { request in
            ScriptedAnswer(307, ["Location": request.uri])
        } _: { repository, server in
            let error = try await failure { try await collect(repository) }
            #expect(error.kind == .policy)
            #expect(server.requests.count == 6)
        }
    }

    @Test func `a server that never answers is given up, and one that drips`() async throws {
        let options = RegistryOptions.quick {
            $0.idleTimeout = .milliseconds(200)
            $0.headerTimeout = .milliseconds(300)
            $0.retry.attempts = 1
        }
        try await withScript(options) { request in
            ScriptedAnswer(200, body: bytes, ending: .stall(after: 1000))
        } _: { repository, _ in
            let error = try await failure { try await collect(repository) }
            #expect(error.kind == .unavailable)
            #expect(error.description.contains("has stalled"))
        }
    }

    @Test func `cancelling a read ends it at once`() async throws {
        try await withScript { _ in
            ScriptedAnswer(200, body: bytes, ending: .stall(after: 1000))
        } _: { repository, _ in
            let task = Task { try await collect(repository) }
            try await Task.sleep(for: .milliseconds(100))
            task.cancel()
            await #expect(throws: CancellationError.self, "a stall would be another error") { try await task.value }
        }
    }
}
