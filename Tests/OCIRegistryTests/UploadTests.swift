import NIOCore
import NIOHTTP1
import OCI
import OCIRegistry
import Synchronization
import TestSupport
import Testing

struct UploadTests {
    private let bytes = sample(300_000)
    private var blob: Descriptor { .layer(bytes) }

    private func content(_ chunk: Int = 10_000) -> Content {
        Content(blob, from: "test") { send in
            var rest = bytes
            while let part = rest.readSlice(length: min(chunk, rest.readableBytes)), part.readableBytes > 0 {
                try await send(part)
            }
        }
    }

    private static let begin = ScriptedAnswer(202, ["Location": "/upload/1?state=x%2Fy"])

    @Test func `a blob is sent with one POST and one PUT of known length`() async throws {
        try await withScript { request in
            request.method == .POST ? Self.begin : ScriptedAnswer(201)
        } _: { repository, server in
            try await repository.write(content())
            let digest = blob.digest.description.split(separator: ":").joined(separator: "%3A")
            #expect(server.lines == ["POST /v2/team/app/blobs/uploads/", "PUT /upload/1?state=x%2Fy&digest=\(digest)"])
            #expect(server.requests[1].header("Content-Length") == "300000")
            #expect(server.requests[1].body == bytes)
            #expect(repository.registry.requestCounts() == [.write: 2])
        }
    }

    @Test func `an empty blob is sent too`() async throws {
        try await withScript { request in
            request.method == .POST ? Self.begin : ScriptedAnswer(201)
        } _: { repository, server in
            try await repository.write(Content(ByteBuffer(), as: .layer(ByteBuffer()), from: "test"))
            #expect(server.requests[1].header("Content-Length") == "0")
        }
    }

    @Test func `a registry that refuses early is heard before all is sent`() async throws {
        let options = RegistryOptions.quick { $0.idleTimeout = .seconds(2) }
        let size = 64 << 20
        let sent = Mutex(0)
        try await withScript(
            options,
            early: { $0.method == .PUT ? .error(403, "DENIED", "quota") : nil },
            { request in request.method == .POST ? Self.begin : ScriptedAnswer(204) },
            { repository, _ in
                let big = Descriptor(mediaType: .octetStream, digest: Digest(of: [0]), size: Int64(size))
                let error = try await failure {
                    try await repository.write(
                        Content(big, from: "test") { send in
                            for _ in 0..<(size >> 16) {
                                try await send(ByteBuffer(repeating: 1, count: 1 << 16))
                                sent.withLock { $0 += 1 << 16 }
                            }
                        })
                }
                #expect(error.kind == .auth)
                #expect(error.description.contains("DENIED quota"))
                #expect(sent.withLock { $0 } < size)
            })
    }

    @Test func `a source that breaks leaves no blob, and the upload is cancelled`() async throws {
        struct Broken: Error {}
        try await withScript { request in
            request.method == .POST ? Self.begin : ScriptedAnswer(204)
        } _: { repository, server in
            await #expect(throws: Broken.self) {
                try await repository.write(
                    Content(blob, from: "test") { send in
                        try await send(ByteBuffer(repeating: 1, count: 1000))
                        try await send(ByteBuffer(repeating: 1, count: 1000))
                        throw Broken()
                    })
            }
            #expect(server.lines.last == "DELETE /upload/1?state=x%2Fy")
        }
    }

    @Test func `wrong content never becomes a blob`() async throws {
        try await withScript { request in
            request.method == .POST ? Self.begin : ScriptedAnswer(201)
        } _: { repository, server in
            let wrong = Content(sample(300_000, seed: 7), as: blob, from: "test")
            let error = try await failure { try await repository.write(wrong) }
            #expect(error.kind == .damaged)
            #expect(!server.requests.contains { $0.method == .PUT && $0.body.readableBytes == 300_000 })
        }
    }

    @Test(arguments: ["http://evil.example.org/upload", "https://127.0.0.1/upload", "", "file:///x"])
    func `R27: an upload goes to the registry and nowhere else`(location: String) async throws {
        try await withScript { _ in
            ScriptedAnswer(202, location.isEmpty ? [:] : ["Location": location])
        } _: { repository, server in
            let error = try await failure { try await repository.write(content()) }
            #expect([.policy, .protocolViolation].contains(error.kind))
            #expect(server.requests.count == 1)
        }
    }

    @Test func `R28: chunks go on at the offset that the registry reports`() async throws {
        let received = Mutex(ByteBuffer())
        let options = RegistryOptions.quick { $0.upload = .chunks(of: 100_000) }
        try await withScript(options) { request in
            switch request.method {
            case .POST: return Self.begin
            case .PATCH:
                if request.uri.hasPrefix("/upload/1"), received.withLock({ $0.readableBytes }) == 100_000 {
                    // Half of the second chunk arrives, then the server fails.
                    received.withLock { buffer in
                        var half = request.body
                        if let part = half.readSlice(length: 40_000) { buffer.writeImmutableBuffer(part) }
                    }
                    return ScriptedAnswer(500)
                }
                received.withLock { buffer in _ = buffer.writeImmutableBuffer(request.body) }
                return Self.begin
            case .GET:
                let size = received.withLock { $0.readableBytes }
                return ScriptedAnswer(204, ["Range": "0-\(size - 1)", "Location": "/upload/2"])
            default: return ScriptedAnswer(201)
            }
        } _: { repository, server in
            try await repository.write(content())
            #expect(received.withLock { $0 } == bytes)
            #expect(server.lines.filter { $0.hasPrefix("GET") }.count == 1)
            #expect(
                server.requests.compactMap { $0.header("Content-Range") }
                    == ["0-99999", "100000-199999", "140000-199999", "200000-299999"])
        }
    }

    @Test func `a registry that wants smaller requests gets them the next time`() async throws {
        let big = sample(9 << 20)
        let received = Mutex(0)
        try await withScript { request in
            switch request.method {
            case .POST: return Self.begin
            case .PUT where request.body.readableBytes > 0: return ScriptedAnswer(413)
            case .PATCH:
                received.withLock { $0 += request.body.readableBytes }
                return Self.begin
            default: return ScriptedAnswer(201)
            }
        } _: { repository, _ in
            let content = Content(big, as: .layer(big), from: "test")
            let error = try await failure { try await repository.write(content) }
            #expect(error.kind == .unavailable)
            try await repository.write(content)
            #expect(received.withLock { $0 } == big.readableBytes)
        }
    }

    @Test func `R30: a refused mount is the beginning of the upload`() async throws {
        try await withScript { request in
            request.method == .POST ? Self.begin : ScriptedAnswer(201)
        } _: { repository, server in
            let found = try await repository.mount(blob, from: RepositoryName("other"))
            #expect(found == false)
            try await repository.write(content())
            #expect(
                server.lines.map { $0.prefix { $0 != "?" } } == ["POST /v2/team/app/blobs/uploads/", "PUT /upload/1"])
        }
    }

    @Test func `a mount that works needs one request`() async throws {
        try await withScript { _ in
            ScriptedAnswer(201)
        } _: { repository, server in
            let found = try await repository.mount(blob, from: RepositoryName("other"))
            #expect(found)
            #expect(server.lines == ["POST /v2/team/app/blobs/uploads/?mount=\(blob.digest)&from=other"])
        }
    }

    @Test func `a manifest is pushed under each of its tags`() async throws {
        let manifest = try image([])
        let digest = manifest.descriptor.digest.description
        try await withScript { _ in
            ScriptedAnswer(201, ["Docker-Content-Digest": digest])
        } _: { repository, server in
            try await repository.push(manifest, tags: [Tag("a"), Tag("b")])
            try await repository.push(manifest, tags: [])
            #expect(
                server.lines == [
                    "PUT /v2/team/app/manifests/a", "PUT /v2/team/app/manifests/b",
                    "PUT /v2/team/app/manifests/\(digest)",
                ])
            #expect(server.requests[0].body == manifest.bytes)
            #expect(server.requests[0].header("Content-Type") == manifest.descriptor.mediaType.rawValue)
        }
    }

    @Test(arguments: [["OCI-Tag": "b, a"], ["OCI-Tag": "a"], [:]])
    func `a manifest by sha512 keeps its digest under the tags that a registry takes beside it`(_ said: HTTPHeaders)
        async throws
    {
        let bytes = try image([]).bytes
        let manifest = try Manifest(bytes, mediaType: .ociManifest, algorithm: .sha512, from: "test")
        let digest = manifest.descriptor.digest
        try await withScript { request in
            var headers = said
            let algorithm: Digest.Algorithm = request.path.contains("sha512") ? .sha512 : .sha256
            headers.add(name: "Docker-Content-Digest", value: "\(Digest(of: bytes, algorithm: algorithm))")
            return ScriptedAnswer(201, headers)
        } _: { repository, server in
            try await repository.push(manifest, tags: [Tag("a"), Tag("b")])
            let alone = ["b", "a"].filter { !(said.first(name: "OCI-Tag") ?? "").contains($0) }.sorted()
            #expect(
                server.lines == ["PUT /v2/team/app/manifests/\(digest)?tag=a&tag=b"]
                    + alone.map { "PUT /v2/team/app/manifests/\($0)" })
        }
    }

    @Test func `a registry that does not confirm the digest is read back`() async throws {
        let manifest = try image([])
        try await withScript { request in
            request.method == .PUT ? ScriptedAnswer(201) : .manifest(manifest)
        } _: { repository, server in
            try await repository.push(manifest, tags: [Tag("a")])
            #expect(server.lines == ["PUT /v2/team/app/manifests/a", "GET /v2/team/app/manifests/a"])
        }
    }

    @Test func `R32: a registry that stores something else is found out`() async throws {
        let manifest = try image([])
        let other = try image([.layer(sample(3))])
        try await withScript { request in
            request.method == .PUT
                ? ScriptedAnswer(201, ["Docker-Content-Digest": other.descriptor.digest.description])
                : .manifest(other)
        } _: { repository, _ in
            let error = try await failure { try await repository.push(manifest, tags: [Tag("a")]) }
            #expect(error.kind == .damaged)
            #expect(error.description.contains("got \(other.descriptor.digest), want \(manifest.descriptor.digest)"))
        }
    }

    @Test(arguments: ["MANIFEST_BLOB_UNKNOWN", "BLOB_UNKNOWN", "MANIFEST_UNKNOWN"])
    func `missing children are told apart from other refusals`(code: String) async throws {
        let manifest = try image([])
        try await withScript { _ in
            .json(
                #"{"errors":[{"code":"\#(code)","message":"unknown","detail":{"digest":"sha256:1"}}]}"#, status: 400)
        } _: { repository, server in
            let error = try await failure { try await repository.push(manifest, tags: [Tag("a")]) }
            let missing = try #require(error as? MissingChildren)
            #expect(missing.detail.contains("sha256:1"))
            #expect(missing.target == "\(server.host)/team/app")
        }
    }

    @Test func `a refusal of what was sent is not tried again, even with status 500`() async throws {
        let layer = Descriptor(
            mediaType: .ociLayerGzip, digest: Digest(of: [1]), size: 7, urls: ["https://example.com/layer"])
        let foreign = try image([layer])
        let plain = try image([.layer(sample(9))])
        try await withScript { request in
            .json(
                #"{"errors":[{"code":"MANIFEST_BLOB_UNKNOWN","message":"unknown","detail":{"digest":"\#(layer.digest)"}}]}"#,
                status: 500)
        } _: { repository, server in
            let error = try await failure { try await repository.push(foreign, tags: [Tag("a")]) }
            #expect(error.kind == .conflict)
            #expect(error.description.contains("layer \(layer.digest.short) is foreign"))
            #expect(error.advice?.contains("foreign") == true)
            #expect(server.requests.count == 1)
            let missing = try await failure { try await repository.push(plain, tags: [Tag("a")]) }
            #expect(missing is MissingChildren)
            #expect(server.requests.count == 2)
        }
    }

    @Test(arguments: [
        (409, "TAG"), (403, "DENIED"), (400, "TAG_INVALID"), (412, "PRECONDITION"), (404, "NAME_UNKNOWN"),
    ])
    func `R33: a tag that may not change is a conflict`(status: Int, code: String) async throws {
        let manifest = try image([])
        try await withScript { _ in
            .error(status, code, "tag is immutable")
        } _: { repository, _ in
            let error = try await failure { try await repository.push(manifest, tags: [Tag("a")]) }
            #expect(error.kind == .conflict)
        }
    }

    @Test func `referrers are added to what the fallback tag lists, entry for entry`() async throws {
        let subject = try image([])
        let new = Descriptor(of: ByteBuffer(string: "new"), mediaType: .ociManifest)
        let old =
            #"{"digest":"sha256:\#(String(repeating: "a", count: 64))","mediaType":"application/x.y","odd":1.50,"size":7}"#
        let stored = Mutex(
            #"{"manifests":[\#(old)],"mediaType":"application/vnd.oci.image.index.v1+json","schemaVersion":2}"#)
        try await withScript { request in
            guard request.path.hasSuffix("/manifests/\(Tag(referrersOf: subject.descriptor.digest))") else {
                return nil
            }
            if request.method == .PUT { stored.withLock { $0 = String(buffer: request.body) } }
            let text = stored.withLock { $0 }
            let digest = Digest(of: Array(text.utf8)).description
            return ScriptedAnswer(
                request.method == .PUT ? 201 : 200,
                ["Content-Type": MediaType.ociIndex.rawValue, "Docker-Content-Digest": digest],
                text: request.method == .PUT ? "" : text)
        } _: { repository, server in
            try await withThrowingTaskGroup(of: Void.self) { tasks in
                for _ in 0..<4 {
                    tasks.addTask { try await repository.list([new], of: subject.descriptor.digest) }
                }
                try await tasks.waitForAll()
            }
            let text = stored.withLock { $0 }
            #expect(text.contains(old))
            #expect(text.contains(new.digest.description))
            #expect(server.requests.count { $0.method == .PUT } == 1)
        }
    }

    @Test func `a registry that lists referrers itself is left to it`() async throws {
        let subject = try image([])
        let referrer = try image([.layer(sample(5))], subject: subject.descriptor)
        try await withScript { request in
            ScriptedAnswer(
                201,
                [
                    "Docker-Content-Digest": referrer.descriptor.digest.description,
                    "OCI-Subject": subject.descriptor.digest.description,
                ])
        } _: { repository, server in
            try await repository.push(referrer, tags: [])
            try await repository.list([referrer.asReferrer], of: subject.descriptor.digest)
            #expect(server.requests.count == 1)
        }
    }
}
