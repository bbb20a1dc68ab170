import NIOCore
import NIOHTTP1
import OCI
import OCIRegistry
import Synchronization
import TestSupport
import Testing

/// Faults of registries that have no better place, each by its row in the catalogue of faults.
struct RegistryRowTests {
    private let bytes = sample(300_000)
    private var blob: Descriptor { .layer(bytes) }
    private static let login = RegistryOptions.quick {
        $0.credentials = .fixed(.password(username: "user", password: "hunter2"))
    }

    private func read(_ repository: RemoteRepository) async throws -> ByteBuffer {
        try await repository.read(blob) { try await $0.collect(upTo: .max) }
    }

    // MARK: R6

    @Test(arguments: ["gzip", "x-gzip", "GZIP"])
    func `R6: a body that a proxy has compressed is taken as what it was`(coding: String) async throws {
        let body = gzipped(bytes)
        try await withScript { request in
            request.header("Accept-Encoding") == "identity"
                ? ScriptedAnswer(200, ["Content-Encoding": coding], body: body) : nil
        } _: { repository, _ in
            let found = try await read(repository)
            #expect(found == bytes)
        }
    }

    @Test func `R6: a compressed body that breaks off is read from its start, not by range`() async throws {
        let body = gzipped(bytes)
        try await withScript { request in
            if request.number == 0 {
                return ScriptedAnswer(200, ["Content-Encoding": "gzip"], body: body, ending: .close(after: 150_000))
            }
            // A range of the compressed bytes, as a proxy that caches them would send it.
            if let range = request.header("Range") {
                return ScriptedAnswer(
                    206, ["Content-Encoding": "gzip", "Content-Range": "bytes \(range.dropFirst(6))299999/*"],
                    body: ByteBuffer(repeating: 0, count: 10))
            }
            return ScriptedAnswer(200, ["Content-Encoding": "gzip"], body: body)
        } _: { repository, server in
            let found = try await read(repository)
            #expect(found == bytes)
            #expect(server.requests.count == 3)
            #expect(server.requests.last?.header("Range") == nil)
        }
    }

    @Test func `R6: a compressed body that unfolds to more than it should be is damaged`() async throws {
        let body = gzipped(sample(2_000_000))
        try await withScript { _ in
            ScriptedAnswer(200, ["Content-Encoding": "gzip"], body: body)
        } _: { repository, _ in
            let error = try await failure { try await read(repository) }
            #expect(error.kind == .damaged)
            #expect(error.description.contains("more than 300000 bytes"))
        }
    }

    @Test(arguments: ["zstd", "br"])
    func `R6: a coding that is not known breaks the protocol`(coding: String) async throws {
        let manifest = try image([])
        try await withScript { request in
            var answer = ScriptedAnswer(200, ["Content-Encoding": coding], body: ByteBuffer(repeating: 7, count: 100))
            if request.path.contains("manifests") { answer = .manifest(manifest) }
            answer.headers.replaceOrAdd(name: "Content-Encoding", value: coding)
            return answer
        } _: { repository, _ in
            for error in [
                try await failure { try await read(repository) },
                try await failure { try await repository.manifest(manifest.descriptor) },
            ] {
                #expect(error.kind == .protocolViolation)
                #expect(error.description.contains("in the encoding '\(coding)', want identity"))
            }
        }
    }

    @Test(arguments: [true, false])
    func `R6: a manifest is read whether it is compressed or only called so`(isCompressed: Bool) async throws {
        let manifest = try image([blob])
        try await withScript { _ in
            var answer = ScriptedAnswer.manifest(manifest)
            answer.headers.add(name: "Content-Encoding", value: "gzip")
            if isCompressed { answer.body = gzipped(manifest.bytes) }
            return answer
        } _: { repository, _ in
            let found = try await repository.manifest(manifest.descriptor)
            #expect(found.bytes == manifest.bytes)
        }
    }

    // MARK: R10, R15

    @Test func `R10: a manifest that HEAD knows and GET does not is not there`() async throws {
        let manifest = try image([])
        try await withScript { request in
            request.method == .HEAD ? .manifest(manifest) : .error(404, "MANIFEST_UNKNOWN")
        } _: { repository, _ in
            let found = try await repository.resolve(.tag(.latest))
            let error = try await failure { try await repository.manifest(found) }
            #expect(error.kind == .notFound)
            #expect(error.description.contains("though an image there names it"))
        }
    }

    @Test(arguments: [
        (404, #"{"errors":null}"#, FailureKind.notFound), (404, "{", .notFound), (403, #"{"errors":[7]}"#, .auth),
        (400, #"{"errors":[{"code":"WHO_KNOWS"}]}"#, .protocolViolation), (503, "\u{0}\u{1}", .unavailable),
    ])
    func `R15: an error document that is none leaves the class to the status`(
        status: Int, text: String, kind: FailureKind
    ) async throws {
        try await withScript { _ in
            .json(text, status: status)
        } _: { repository, _ in
            let error = try await failure { try await repository.tags() }
            #expect(error.kind == kind)
        }
    }

    // MARK: R18

    @Test func `R18: a token that ends within a blob is renewed, and the blob goes on where it was`() async throws {
        let revoked = Mutex<Set<String>>([])
        let script = tokenRegistry(isValid: { token, _ in revoked.withLock { !$0.contains(token) } }) { request in
            if let range = request.header("Range") {
                let start = Int(range.dropFirst("bytes=".count).dropLast()) ?? 0
                var rest = bytes
                rest.moveReaderIndex(forwardBy: start)
                return ScriptedAnswer(206, ["Content-Range": "bytes \(start)-299999/300000"], body: rest)
            }
            revoked.withLock { _ = $0.insert("t1") }
            return ScriptedAnswer(200, body: bytes, ending: .close(after: 100_000))
        }
        try await withScript(Self.login, script) { repository, server in
            let found = try await read(repository)
            #expect(found == bytes)
            let ranges = server.requests.filter { $0.path.contains("/blobs/") }.map { $0.header("Range") }
            // Unasked, asked and broken off, refused, and gone on with.
            #expect(ranges.count == 4)
            #expect(ranges[2] == ranges[3] && ranges[3] != "bytes=0-" && ranges[3] != nil)
            #expect(server.requests.count { $0.path == "/token" } == 2)
        }
    }

    @Test func `R18: a token that ends within an upload is renewed, and no byte is sent twice`() async throws {
        let received = Mutex(ByteBuffer())
        let revoked = Mutex<Set<String>>([])
        let script = tokenRegistry(isValid: { token, _ in revoked.withLock { !$0.contains(token) } }) { request in
            let begun = ScriptedAnswer(202, ["Location": "/upload/1"])
            if request.method == .PATCH {
                received.withLock { buffer in
                    _ = buffer.writeImmutableBuffer(request.body)
                    if buffer.readableBytes == 100_000 { revoked.withLock { _ = $0.insert("t1") } }
                }
            }
            return request.method == .PUT ? ScriptedAnswer(201) : begun
        }
        var options = Self.login
        options.upload = .chunks(of: 100_000)
        try await withScript(options, script) { repository, server in
            try await repository.write(Content(bytes, as: blob, from: "test"))
            #expect(received.withLock { $0 } == bytes)
            #expect(server.requests.count { $0.path == "/token" } == 2)
        }
    }

    @Test func `R18: an upload in one request whose token has ended is begun again with a new one`() async throws {
        let script = tokenRegistry(isValid: { token, request in token != "t1" || request.method == .POST }) { request in
            request.method == .POST ? ScriptedAnswer(202, ["Location": "/upload/1"]) : ScriptedAnswer(201)
        }
        try await withScript(Self.login, script) { repository, server in
            let content = Content(bytes, as: blob, from: "test")
            let error = try await failure { try await repository.write(content) }
            // Whoever has the bytes sends them again: `unavailable` says that it may help.
            #expect(error.kind == .unavailable)
            try await repository.write(content)
            #expect(server.requests.last?.body == bytes)
        }
    }

    @Test func `R18: a large upload that is refused in the middle goes on in parts, and a token that ends costs one`()
        async throws
    {
        // Each token is good until 18 MiB have come with it; the registry looks at it when a request has come whole.
        let large = sample(40 << 20)
        let received = Mutex((upload: ByteBuffer(), byToken: [String: Int]()))
        let script = tokenRegistry(isValid: { token, request in
            received.withLock { state in
                state.byToken[token, default: 0] += request.body.readableBytes
                return state.byToken[token, default: 0] <= 18 << 20
            }
        }) { request in
            if request.method == .PATCH { received.withLock { _ = $0.upload.writeImmutableBuffer(request.body) } }
            return request.method == .PUT ? ScriptedAnswer(201) : ScriptedAnswer(202, ["Location": "/upload/1"])
        }
        try await withScript(Self.login, script) { repository, server in
            let content = Content(large, as: .layer(large), from: "test")
            let error = try await failure { try await repository.write(content) }
            #expect(error.kind == .unavailable && error.description.contains("401"), "\(error.description)")
            try await repository.write(content)
            #expect(received.withLock { $0.upload } == large)
            // 5 parts of 8 MiB, of which the third and the fifth were refused once and sent again as they were.
            let parts = server.requests.filter { $0.method == .PATCH }
            #expect(parts.map { $0.body.readableBytes >> 20 } == [8, 8, 8, 8, 8, 8, 8], "\(parts.count)")
            #expect(Set(parts.map { $0.header("Content-Range") }).count == 5)
            // The next one, which nobody has refused, is sent whole.
            let other = sample(9 << 20, seed: 2)
            try await repository.write(Content(other, as: .layer(other), from: "test"))
            #expect(server.requests.last?.body == other)
        }
    }

    @Test func `R19: a password that has run out is asked for again, once`() async throws {
        let asked = Mutex(0)
        let options = RegistryOptions.quick {
            $0.credentials = .lookup { _, _ in
                let number = asked.withLock { count in
                    count += 1
                    return count
                }
                return .password(username: "user", password: "p\(number)")
            }
        }
        let manifest = try image([])
        try await withScript(options) { request in
            // "user:p2"
            request.header("Authorization") == "Basic dXNlcjpwMg=="
                ? .manifest(manifest) : ScriptedAnswer(401, ["WWW-Authenticate": "Basic realm=\"r\""])
        } _: { repository, server in
            // The first is refused; the second is taken, and kept.
            for _ in 0..<3 { _ = try await repository.resolve(.tag(.latest)) }
            #expect(asked.withLock { $0 } == 2)
            #expect(server.requests.count { $0.header("Authorization") == nil } == 1)
        }
    }

    // MARK: R23

    @Test(arguments: [
        #"{"token":""}"#, "{}", "[]", "no", #"{"token":7}"#, #"{"token":"a b"}"#,
    ])
    func `R23: a token service that gives no token is an error of access`(text: String) async throws {
        try await withScript(Self.login, tokenRegistry(token: { _ in .json(text) }) { _ in ScriptedAnswer(200) }) {
            repository, _ in
            let error = try await failure { try await repository.tags() }
            #expect(error.kind == .auth)
        }
    }

    @Test func `R23: an endless answer of a token service is not read to its end`() async throws {
        let endless = ScriptedAnswer(200, body: ByteBuffer(repeating: UInt8(ascii: " "), count: 8 << 20))
        try await withScript(Self.login, tokenRegistry(token: { _ in endless }) { _ in ScriptedAnswer(200) }) {
            repository, _ in
            let error = try await failure { try await repository.tags() }
            #expect(error.kind == .policy)
            #expect(error.description.contains("more than 1048576 bytes"))
        }
    }

    @Test func `R23: of two tokens in one answer the first name counts`() async throws {
        let script = tokenRegistry(token: { _ in .json(#"{"access_token":"b","token":"a"}"#) }) { request in
            request.header("Authorization") == "Bearer a" ? .json(#"{"tags":[]}"#) : ScriptedAnswer(500)
        }
        try await withScript(Self.login, script) { repository, _ in
            let tags = try await repository.tags()
            #expect(tags == [])
        }
    }

    // MARK: R28

    @Test func `R28: an upload that the registry has lost is begun anew, never finished with a hole`() async throws {
        let state = Mutex((session: 0, received: ByteBuffer()))
        let options = RegistryOptions.quick { $0.upload = .chunks(of: 100_000) }
        try await withScript(options) { request in
            state.withLock { state in
                switch request.method {
                case .POST:
                    state.session += 1
                    state.received.clear()
                    return ScriptedAnswer(202, ["Location": "/upload/\(state.session)"])
                case .PATCH where state.session == 1 && state.received.readableBytes == 100_000:
                    return ScriptedAnswer(416)
                case .PATCH:
                    state.received.writeImmutableBuffer(request.body)
                    return ScriptedAnswer(202, ["Location": "/upload/\(state.session)"])
                case .GET: return .error(404, "BLOB_UPLOAD_UNKNOWN")
                default: return ScriptedAnswer(201)
                }
            }
        } _: { repository, server in
            let content = Content(bytes, as: blob, from: "test")
            let error = try await failure { try await repository.write(content) }
            #expect(error.kind == .unavailable)
            #expect(error.description.contains("has lost the upload"))
            #expect(!server.requests.contains { $0.method == .PUT })
            try await repository.write(content)
            #expect(state.withLock { $0.received } == bytes)
        }
    }

    @Test(arguments: ["0-300000", "0-99998"])
    func `R28: an offset that cannot be is not believed`(range: String) async throws {
        let options = RegistryOptions.quick { $0.upload = .chunks(of: 100_000) }
        try await withScript(options) { request in
            switch request.method {
            case .PATCH where request.header("Content-Range") == "100000-199999": ScriptedAnswer(500)
            case .GET: ScriptedAnswer(204, ["Range": range])
            case .PUT: ScriptedAnswer(201)
            default: ScriptedAnswer(202, ["Location": "/upload/1"])
            }
        } _: { repository, server in
            let error = try await failure { try await repository.write(Content(bytes, as: blob, from: "test")) }
            #expect(error.kind == .protocolViolation)
            #expect(!server.requests.contains { $0.method == .PUT })
        }
    }

    // MARK: R42, R44, R48

    @Test(arguments: ["text/plain", "application/json; charset=utf-8", "", "application/octet-stream"])
    func `R42: a manifest is known by what it says, whatever it is called`(type: String) async throws {
        let manifest = try image([])
        try await withScript { _ in
            var answer = ScriptedAnswer.manifest(manifest)
            answer.headers.replaceOrAdd(name: "Content-Type", value: type)
            return answer
        } _: { repository, _ in
            let found = try await repository.resolve(.tag(.latest))
            #expect(found == manifest.descriptor)
        }
    }

    @Test func `R42: an index that is called an image is damaged`() async throws {
        let index = try Manifest(SeededImages.index([]), mediaType: .ociIndex, from: "test")
        try await withScript { _ in
            var answer = ScriptedAnswer.manifest(index)
            answer.headers.replaceOrAdd(name: "Content-Type", value: MediaType.ociManifest.rawValue)
            return answer
        } _: { repository, _ in
            let error = try await failure {
                try await repository.manifest(
                    Descriptor(
                        mediaType: .ociManifest, digest: index.descriptor.digest, size: index.descriptor.size))
            }
            #expect(error.kind == .damaged)
        }
    }

    @Test func `R44: a warning is passed on once, and escaped`() async throws {
        let log = LogLines()
        let manifest = try image([])
        try await ScriptedRegistry.serve { _ in
            var answer = ScriptedAnswer.manifest(manifest)
            answer.headers.add(name: "Warning", value: "299 - \"old \u{202e}registry\"")
            answer.headers.add(name: "Warning", value: "199 - \"no matter\"")
            return answer
        } _: { server in
            try await withRegistry(server.host, log: log) { registry in
                for _ in 0..<3 {
                    _ = try await registry.repository(RepositoryName("team/app")).resolve(.tag(.latest))
                }
            }
        }
        let warnings = log.lines
        #expect(warnings.count == 1)
        #expect(warnings.first?.contains("registry") == true)
        #expect(warnings.first?.contains("\u{202e}") == false)
    }

    @Test func `R44: a head with more fields than the limit ends the answer, not the program`() async throws {
        try await withScript { _ in
            ScriptedAnswer(200, HTTPHeaders((0..<5000).map { ("X-Field-\($0)", "x") }), text: "{}")
        } _: { repository, _ in
            let error = try await failure { try await repository.tags() }
            #expect([.protocolViolation, .unavailable].contains(error.kind))
        }
    }

    @Test func `R48: a token is for the repositories of one request, however many there are`() async throws {
        let manifest = try image([])
        try await ScriptedRegistry.serve(tokenRegistry { _ in .manifest(manifest) }) { server in
            try await withRegistry(server.host, Self.login) { registry in
                for number in 0..<200 {
                    let name = try RepositoryName("a-team-with-a-long-name/and-its-repository/number-\(number)")
                    _ = try await registry.repository(name).resolve(.tag(.latest))
                }
            }
            let tokens = server.requests.filter { $0.path == "/token" }
            #expect(tokens.count == 200)
            #expect(tokens.allSatisfy { $0.uri.utf8.count < 200 })
        }
    }
}
