import Foundation
import NIOCore
import OCI
import OCIArchive
import OCIServer
import TestSupport
import Testing

struct PullTests {
    private static let name = "team/app"

    /// A registry with one image, whose second layer is larger than what is held in memory.
    private func withImage(
        writable: Bool = false, _ body: @escaping @Sendable (String, Manifest) async throws -> Void
    ) async throws {
        let store = MemoryStore()
        let target = await store.target(try RepositoryName(Self.name))
        let image = try await SeededImages.push(
            to: target, seed: 1, layerSizes: [1000, 400_000], tags: [try Tag("1.0"), .latest])
        try await TestRegistry.run(over: store, writable: writable) { try await body($0, image) }
    }

    @Test func `the base says what it is`() async throws {
        try await withImage { address, _ in
            for path in ["/v2/", "/v2"] {
                let answer = try await RawHTTP.send("GET \(path)", to: address)
                #expect(answer.status == 200)
                #expect(answer.headers["docker-distribution-api-version"] == "registry/2.0")
            }
        }
    }

    @Test func `a manifest is served by tag and digest with its own type`() async throws {
        try await withImage { address, image in
            for reference in ["1.0", "latest", "\(image.descriptor.digest)"] {
                let answer = try await RawHTTP.send("GET /v2/team/app/manifests/\(reference)", to: address)
                #expect(answer.status == 200)
                #expect(answer.body == image.bytes)
                #expect(answer.headers["content-type"] == MediaType.ociManifest.rawValue)
                #expect(answer.headers["docker-content-digest"] == "\(image.descriptor.digest)")
                let head = try await RawHTTP.send("HEAD /v2/team/app/manifests/\(reference)", to: address)
                #expect(head.status == 200)
                #expect(head.body.readableBytes == 0)
                #expect(head.headers["content-length"] == "\(image.bytes.readableBytes)")
                let etag = try #require(answer.headers["etag"])
                let again = try await RawHTTP.send(
                    "GET /v2/team/app/manifests/\(reference)", to: address, ["If-None-Match": etag])
                #expect(again.status == 304)
            }
        }
    }

    @Test func `a blob is served whole`() async throws {
        try await withImage { address, image in
            for blob in image.children {
                let answer = try await RawHTTP.send("GET /v2/team/app/blobs/\(blob.digest)", to: address)
                #expect(answer.status == 200)
                #expect(Digest(of: answer.body) == blob.digest)
                #expect(answer.headers["accept-ranges"] == "bytes")
                let head = try await RawHTTP.send("HEAD /v2/team/app/blobs/\(blob.digest)", to: address)
                #expect(head.status == 200)
                #expect(head.headers["content-length"] == "\(blob.size)")
            }
        }
    }

    @Test(arguments: [
        ("bytes=0-0", 206, "bytes 0-0/400000", 1), ("bytes=5-", 206, "bytes 5-399999/400000", 399_995),
        ("bytes=-7", 206, "bytes 399993-399999/400000", 7),
        ("bytes=399999-900000", 206, "bytes 399999-399999/400000", 1),
        ("bytes=400000-", 416, "bytes */400000", 0), ("bytes=-0", 416, "bytes */400000", 0),
        ("bytes=5-2", 200, "", 400_000), ("bytes=0-1,3-4", 200, "", 400_000), ("lines=0-1", 200, "", 400_000),
        ("bytes=x", 200, "", 400_000),
    ])
    func `a range is what was asked for`(range: String, status: Int, content: String, count: Int) async throws {
        try await withImage { address, image in
            let blob = image.children[2]
            let answer = try await RawHTTP.send("GET /v2/team/app/blobs/\(blob.digest)", to: address, ["Range": range])
            #expect(answer.status == status)
            #expect(answer.headers["content-range"] ?? "" == content)
            guard status != 416 else { return }
            #expect(answer.body.readableBytes == count)
            let whole = SeededBytes.buffer(400_000, seed: 1001)
            let first = content.isEmpty ? 0 : Int(content.dropFirst(6).prefix { $0 != "-" }) ?? -1
            #expect(answer.body == whole.getSlice(at: first, length: count))
        }
    }

    @Test func `tags and repositories come in pages`() async throws {
        let store = MemoryStore()
        for repository in ["a", "b/c", "d"] {
            let target = await store.target(try RepositoryName(repository))
            let tags = try (1...5).map { try Tag("t\($0)") }
            try await SeededImages.push(to: target, seed: 1, tags: tags)
        }
        try await TestRegistry.run(over: store, writable: false) { address in
            let all = try await RawHTTP.send("GET /v2/a/tags/list", to: address)
            #expect(all.text == #"{"name":"a","tags":["t1","t2","t3","t4","t5"]}"#)
            #expect(all.headers["link"] == nil)
            var names: [String] = []
            var next: String? = "/v2/a/tags/list?n=2"
            while let path = next {
                let page = try await RawHTTP.send("GET \(path)", to: address)
                names.append(page.text)
                next = page.headers["link"].map { String($0.dropFirst().prefix { $0 != ">" }) }
            }
            #expect(names.count == 3)
            #expect(names.last == #"{"name":"a","tags":["t5"]}"#)
            #expect(try await RawHTTP.send("GET /v2/a/tags/list?n=0", to: address).text == #"{"name":"a","tags":[]}"#)
            #expect(try await RawHTTP.send("GET /v2/a/tags/list?n=-1", to: address).status == 400)
            #expect(try await RawHTTP.send("GET /v2/nobody/tags/list", to: address).status == 404)
            let catalog = try await RawHTTP.send("GET /v2/_catalog?n=2", to: address)
            #expect(catalog.text == #"{"repositories":["a","b/c"]}"#)
            #expect(catalog.headers["link"] == "</v2/_catalog?n=2&last=b%2Fc>; rel=\"next\"")
            let rest = try await RawHTTP.send("GET /v2/_catalog?n=2&last=b%2Fc", to: address)
            #expect(rest.text == #"{"repositories":["d"]}"#)
        }
    }

    @Test(arguments: [
        ("GET /v2/../../etc/passwd", 404), ("GET /v2/%2e%2e/%2e%2e/etc/passwd/manifests/x", 400),
        ("GET /v2/team%2Fapp/manifests/1.0", 404), ("GET /v2/team/app/blobs/sha256:..%2f..%2fx", 404),
        ("GET /v2/team/app/blobs/..", 400), ("GET /v2//manifests/1.0", 400), ("GET /v2/a//b/manifests/1.0", 400),
        ("GET /v2/TEAM/manifests/1.0", 400), ("GET /v2/team/app/manifests/%00", 404), ("GET /v2/team/app", 404),
        ("GET /", 404), ("GET /v3/", 404), ("GET /v2/team/app/blobs/sha256:abc", 400),
        ("GET /v2/team/app/blobs/md5:0cc175b9c0f1b6a831c399e269772661", 400), ("GET /v2/team/app/manifests/%zz", 404),
        ("GET /v2/team/app/manifests/none", 404), ("GET /v2/nobody/manifests/1.0", 404),
        ("GET /v2/team/app/manifests/sha256%3A" + String(repeating: "0", count: 64), 404),
        ("GET /v2/team/app/blobs/sha256:" + String(repeating: "0", count: 64), 404),
        ("PUT /v2/team/app/manifests/1.0", 405), ("POST /v2/team/app/blobs/uploads/", 405),
        ("DELETE /v2/team/app/manifests/1.0", 405), ("PATCH /v2/team/app/manifests/1.0", 405), ("POST /v2/", 405),
    ])
    func `a path that names nothing is answered as such`(line: String, status: Int) async throws {
        try await withImage { address, _ in
            let answer = try await RawHTTP.send(line, to: address)
            #expect(answer.status == status)
            #expect(answer.text.hasPrefix(#"{"errors":[{"code":""#))
        }
    }

    @Test func `a repository may be called like an endpoint`() async throws {
        let store = MemoryStore()
        for name in ["a/blobs/b", "a/manifests", "tags/list", "a/blobs/uploads"] {
            try await SeededImages.push(to: store.target(RepositoryName(name)), seed: 1, tags: [.latest])
        }
        try await TestRegistry.run(over: store, writable: false) { address in
            for name in ["a/blobs/b", "a/manifests", "tags/list", "a/blobs/uploads"] {
                let head = try await RawHTTP.send("HEAD /v2/\(name)/manifests/latest", to: address)
                #expect(head.status == 200)
                let tags = try await RawHTTP.send("GET /v2/\(name)/tags/list", to: address)
                #expect(tags.status == 200)
            }
        }
    }

    @Test func `rotten bytes are never served as right ones`() async throws {
        try await withTemporaryFolder { folder in
            let layout = try await Layout.create(folder, surroundings: .ofThisMachine)
            let image = try await SeededImages.push(
                to: layout.target(RepositoryName("app")), seed: 1, layerSizes: [1000, 900_000], tags: [.latest])
            try await TestRegistry.run(over: layout, writable: false) { address in
                let (small, large) = (image.children[1], image.children[2])
                #expect(
                    try await RawHTTP.send("GET /v2/app/blobs/\(large.digest)", to: address, ["Range": "bytes=0-9"])
                        .status
                        == 206)
                for blob in [small, large] {
                    let url = URL(fileURLWithPath: folder + "/blobs/sha256/" + blob.digest.hex)
                    var bytes = try Data(contentsOf: url)
                    bytes[Int(blob.size) / 2] ^= 1
                    try bytes.write(to: url)
                }
                #expect(try await RawHTTP.send("GET /v2/app/blobs/\(small.digest)", to: address).status == 500)
                let whole = try await RawHTTP.send("GET /v2/app/blobs/\(large.digest)", to: address)
                #expect(whole.isCutShort)
                let part = try await RawHTTP.send(
                    "GET /v2/app/blobs/\(large.digest)", to: address, ["Range": "bytes=0-9"])
                #expect(part.status == 500)
                #expect(!part.text.contains(folder))
                let manifest = folder + "/blobs/sha256/" + image.descriptor.digest.hex
                try Data("{}".utf8).write(to: URL(fileURLWithPath: manifest))
                #expect(try await RawHTTP.send("GET /v2/app/manifests/latest", to: address).status == 500)
            }
        }
    }

    @Test func `a client that stops reading is let go`() async throws {
        let store = MemoryStore()
        let image = try await SeededImages.push(
            to: store.target(RepositoryName("app")), seed: 1, layerSizes: [30_000_000], tags: [.latest])
        let path = "/v2/app/blobs/\(image.children[1].digest)"
        try await TestRegistry.run(over: store, writable: false, patience: .seconds(1)) { address in
            let request = ByteBuffer(
                string: "GET \(path) HTTP/1.1\r\nHost: \(address)\r\nConnection: close\r\n\r\n")
            let cut = try await SilentClient.bytes(for: request, from: address, silent: .untilLetGo)
            #expect(cut < 30_000_000)
        }
        try await TestRegistry.run(over: store, writable: false) { address in
            let request = ByteBuffer(
                string: "GET \(path) HTTP/1.1\r\nHost: \(address)\r\nConnection: close\r\n\r\n")
            let whole = try await SilentClient.bytes(for: request, from: address, silent: .time(.zero))
            #expect(whole > 30_000_000)
        }
    }

    @Test func `the server stops soon, whatever its clients do`() async throws {
        let store = MemoryStore()
        let image = try await SeededImages.push(
            to: store.target(RepositoryName("app")), seed: 1, layerSizes: [30_000_000], tags: [.latest])
        let path = "/v2/app/blobs/\(image.children[1].digest)"
        let (asked, client) = try await TestRegistry.run(over: store, writable: false) { address in
            let question = ByteBuffer(
                string: "GET \(path) HTTP/1.1\r\nHost: \(address)\r\nConnection: close\r\n\r\n")
            let (requests, request) = AsyncStream.makeStream(of: Void.self)
            let client = Task {
                try await SilentClient.bytes(for: question, from: address, silent: .time(.seconds(600))) {
                    request.finish()
                }
            }
            for await _ in requests {}
            // An answer to somebody else: the server has come round to the first.
            let other = try await RawHTTP.send("GET /v2/", to: address)
            #expect(other.status == 200)
            return (ContinuousClock.now, client)
        }
        let stopping = ContinuousClock.now - asked
        client.cancel()
        #expect(stopping < .seconds(300), "the client would have kept it for ten minutes")
    }

    @Test func `many clients at once are all served`() async throws {
        try await withImage { address, image in
            try await forEach(0..<100, limit: 100) { number in
                let blob = image.children[number % 3]
                let answer = try await RawHTTP.send("GET /v2/team/app/blobs/\(blob.digest)", to: address)
                #expect(Digest(of: answer.body) == blob.digest)
            }
        }
    }

    @Test func `a port that is taken is an error that says so`() async throws {
        try await withImage { address, _ in
            let port = Int(address.split(separator: ":")[1]) ?? 0
            let server = try RegistryServer(store: MemoryStore(), port: port, surroundings: .ofThisMachine)
            let error = await #expect(throws: ServerError.self) { try await server.run { _ in } }
            #expect(error?.kind == .local)
            #expect(
                error?.description == "cannot listen on 127.0.0.1:\(port): another program listens there")
        }
    }

    @Test func `a host that has no address is an error that says so`() async throws {
        let server = try RegistryServer(
            store: MemoryStore(), host: "no-such-host.invalid", surroundings: .ofThisMachine)
        let error = await #expect(throws: ServerError.self) { try await server.run { _ in } }
        #expect(error?.kind == .local)
        #expect(error?.description == "cannot listen on no-such-host.invalid:0: the name is not resolved")
    }

    @Test func `no more of a blob is read at once than is fit to wait for a client`() async throws {
        let store = MemoryStore()
        let image = try await SeededImages.push(
            to: store.target(RepositoryName(Self.name)), seed: 1, layerSizes: [1_000_001], tags: [.latest])
        let watched = WatchedReads(store: store)
        try await TestRegistry.run(over: watched, writable: false) { address in
            let path = "GET /v2/team/app/blobs/\(image.children[1].digest)"
            let whole = try await RawHTTP.send(path, to: address)
            #expect(Digest(of: whole.body) == image.children[1].digest)
            let part = try await RawHTTP.send(path, to: address, ["Range": "bytes=1-999999"])
            #expect(part.body == whole.body.getSlice(at: whole.body.readerIndex + 1, length: 999_999))
        }
        #expect(watched.most == 128 << 10)
    }
}
