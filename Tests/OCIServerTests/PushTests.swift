import Foundation
import NIOCore
import OCI
import OCIArchive
import OCIServer
import TestSupport
import Testing

/// The distribution specification's push and management, over memory and over a folder.
struct PushTests {
    enum Home: CaseIterable { case memory, layout }

    private func withRegistry(_ home: Home, _ body: @escaping @Sendable (String) async throws -> Void) async throws {
        switch home {
        case .memory: try await TestRegistry.run(body)
        case .layout:
            try await withTemporaryFolder { folder in
                try await TestRegistry.run(over: try await Layout.create(folder, surroundings: .ofThisMachine), body)
            }
        }
    }

    private static func digest(_ text: String) -> String { "\(Digest(of: ByteBuffer(string: text)))" }

    private static func pushBlob(_ text: String, to address: String, repository: String = "app") async throws {
        let answer = try await RawHTTP.send(
            "POST /v2/\(repository)/blobs/uploads/?digest=\(digest(text))", to: address,
            body: ByteBuffer(string: text))
        #expect(answer.status == 201)
        #expect(answer.headers["location"] == "/v2/\(repository)/blobs/\(digest(text))")
    }

    @Test(arguments: Home.allCases)
    func `a manifest that is named by its digest gets the tags beside it, and keeps its algorithm`(home: Home)
        async throws
    {
        try await withRegistry(home) { address in
            let config = Descriptor(of: ByteBuffer(string: "{}"), mediaType: .ociConfig)
            try await Self.pushBlob("{}", to: address)
            let bytes = SeededImages.manifest(config: config, layers: [])
            let digest = Digest(of: bytes, algorithm: .sha512)
            let type = ["Content-Type": MediaType.ociManifest.rawValue]
            let put = try await RawHTTP.send(
                "PUT /v2/app/manifests/\(digest)?tag=1.2&tag=latest", to: address, type, body: bytes)
            #expect(put.status == 201)
            #expect(put.headers["oci-tag"] == "1.2, latest")
            for tag in ["1.2", "latest"] {
                let head = try await RawHTTP.send("HEAD /v2/app/manifests/\(tag)", to: address)
                #expect(head.headers["docker-content-digest"] == "\(digest)")
            }
            let plain = try await RawHTTP.send("PUT /v2/app/manifests/\(digest)", to: address, type, body: bytes)
            #expect(plain.status == 201)
            #expect(plain.headers["oci-tag"] == nil)
            let wrong = try await RawHTTP.send(
                "PUT /v2/app/manifests/\(digest)?tag=3&tag=no%20tag", to: address, type, body: bytes)
            #expect(wrong.status == 400)
            let many = (0...100).map { "tag=t\($0)" }.joined(separator: "&")
            let long = try await RawHTTP.send(
                "PUT /v2/app/manifests/\(digest)?\(many)", to: address, type, body: bytes)
            #expect(long.status == 414)
            let tags = try await RawHTTP.send("GET /v2/app/tags/list", to: address)
            #expect(tags.text.contains(#"["1.2","latest"]"#), "\(tags.text)")
        }
    }

    @Test(arguments: Home.allCases)
    func `a blob comes in one piece, two requests or many chunks`(home: Home) async throws {
        try await withRegistry(home) { address in
            try await Self.pushBlob("in one", to: address)

            let post = try await RawHTTP.send("POST /v2/app/blobs/uploads/", to: address)
            #expect(post.status == 202)
            let location = try #require(post.headers["location"])
            let put = try await RawHTTP.send(
                "PUT \(location)?digest=\(Self.digest("in two"))", to: address, body: ByteBuffer(string: "in two"))
            #expect(put.status == 201)

            let start = try await RawHTTP.send("POST /v2/app/blobs/uploads/", to: address)
            let upload = try #require(start.headers["location"])
            let first = try await RawHTTP.send(
                "PATCH \(upload)", to: address, ["Content-Range": "0-2"], body: ByteBuffer(string: "in "))
            #expect(first.status == 202)
            #expect(first.headers["range"] == "0-2")
            let wrong = try await RawHTTP.send(
                "PATCH \(upload)", to: address, ["Content-Range": "4-5"], body: ByteBuffer(string: "xx"))
            #expect(wrong.status == 416)
            #expect(wrong.headers["range"] == "0-2")
            #expect(wrong.headers["content-length"] == "\(wrong.body.readableBytes)")
            #expect(wrong.text.contains("BLOB_UPLOAD_INVALID"))
            let status = try await RawHTTP.send("GET \(upload)", to: address)
            #expect(status.status == 204)
            #expect(status.headers["range"] == "0-2")
            let second = try await RawHTTP.send("PATCH \(upload)", to: address, body: ByteBuffer(string: "ma"))
            #expect(second.headers["range"] == "0-4")
            let end = try await RawHTTP.send(
                "PUT \(upload)?digest=\(Self.digest("in many"))", to: address, ["Content-Range": "5-6"],
                body: ByteBuffer(string: "ny"))
            #expect(end.status == 201)
            #expect(try await RawHTTP.send("GET \(upload)", to: address).status == 404)
            for text in ["in one", "in two", "in many"] {
                #expect(try await RawHTTP.send("GET /v2/app/blobs/\(Self.digest(text))", to: address).text == text)
            }
        }
    }

    @Test(arguments: Home.allCases)
    func `a blob with a wrong digest is refused and never visible`(home: Home) async throws {
        try await withRegistry(home) { address in
            let answer = try await RawHTTP.send(
                "POST /v2/app/blobs/uploads/?digest=\(Self.digest("right"))", to: address,
                body: ByteBuffer(string: "wrong"))
            #expect(answer.status == 400)
            #expect(answer.text.contains("DIGEST_INVALID"))
            #expect(try await RawHTTP.send("HEAD /v2/app/blobs/\(Self.digest("right"))", to: address).status == 404)
            #expect(try await RawHTTP.send("HEAD /v2/app/blobs/\(Self.digest("wrong"))", to: address).status == 404)
        }
    }

    @Test(arguments: Home.allCases)
    func `an upload that breaks off can go on`(home: Home) async throws {
        try await withRegistry(home) { address in
            let start = try await RawHTTP.send("POST /v2/app/blobs/uploads/", to: address)
            let upload = try #require(start.headers["location"])
            let bytes = SeededBytes.buffer(700_000, seed: 7)
            let cut = ByteBuffer(
                string: "PATCH \(upload) HTTP/1.1\r\nHost: \(address)\r\nContent-Length: 100\r\n\r\nabcde")
            try await RawHTTP.exchange(cut, with: address, breaksOff: true)
            let status = try await RawHTTP.send("GET \(upload)", to: address)
            #expect(status.headers["range"] == "0-4")
            let all = SeededBytes.joined(ByteBuffer(string: "abcde"), bytes)
            let end = try await RawHTTP.send("PUT \(upload)?digest=\(Digest(of: all))", to: address, body: bytes)
            #expect(end.status == 201)
            let back = try await RawHTTP.send("GET /v2/app/blobs/\(Digest(of: all))", to: address)
            #expect(back.body == all)
        }
    }

    @Test(arguments: Home.allCases)
    func `an upload can be given up`(home: Home) async throws {
        try await withRegistry(home) { address in
            let start = try await RawHTTP.send("POST /v2/app/blobs/uploads/", to: address)
            let upload = try #require(start.headers["location"])
            let elsewhere = upload.replacingOccurrences(of: "/app/", with: "/other/")
            #expect(try await RawHTTP.send("GET \(elsewhere)", to: address).status == 404)
            #expect(try await RawHTTP.send("DELETE \(upload)", to: address).status == 204)
            #expect(try await RawHTTP.send("DELETE \(upload)", to: address).status == 404)
            #expect(try await RawHTTP.send("PUT \(upload)", to: address).status == 400)
        }
    }

    @Test(arguments: Home.allCases)
    func `a manifest is taken only with all that it needs`(home: Home) async throws {
        try await withRegistry(home) { address in
            let config = Descriptor(of: ByteBuffer(string: "{}"), mediaType: .ociConfig)
            let layer = Descriptor(of: ByteBuffer(string: "layer"), mediaType: .ociLayer)
            let manifest = SeededImages.manifest(config: config, layers: [layer])
            let type = ["Content-Type": MediaType.ociManifest.rawValue]
            try await Self.pushBlob("{}", to: address)
            let early = try await RawHTTP.send("PUT /v2/app/manifests/1.0", to: address, type, body: manifest)
            #expect(early.status == 404)
            #expect(early.text.contains("MANIFEST_BLOB_UNKNOWN"))
            #expect(early.text.contains("\(layer.digest)"))
            #expect(try await RawHTTP.send("HEAD /v2/app/manifests/1.0", to: address).status == 404)
            try await Self.pushBlob("layer", to: address)
            let put = try await RawHTTP.send("PUT /v2/app/manifests/1.0", to: address, type, body: manifest)
            #expect(put.status == 201)
            #expect(put.headers["docker-content-digest"] == "\(Digest(of: manifest))")
            #expect(try await RawHTTP.send("GET /v2/app/manifests/1.0", to: address).body == manifest)
            let other = "sha256:" + String(repeating: "0", count: 64)
            let wrong = try await RawHTTP.send("PUT /v2/app/manifests/\(other)", to: address, type, body: manifest)
            #expect(wrong.status == 400)
            #expect(wrong.text.contains("DIGEST_INVALID"))
            let lie = try await RawHTTP.send(
                "PUT /v2/app/manifests/lie", to: address, ["Content-Type": MediaType.ociIndex.rawValue], body: manifest)
            #expect(lie.status == 400)
            #expect(lie.text.contains("MANIFEST_INVALID"))
            let junk = try await RawHTTP.send(
                "PUT /v2/app/manifests/junk", to: address, type, body: ByteBuffer(string: "junk"))
            #expect(junk.status == 400)
            let large = ByteBuffer(repeating: 0x20, count: (4 << 20) + 1)
            #expect(try await RawHTTP.send("PUT /v2/app/manifests/large", to: address, type, body: large).status == 413)
        }
    }

    @Test(arguments: Home.allCases)
    func `referrers are listed by their subject and filtered by type`(home: Home) async throws {
        try await withRegistry(home) { address in
            try await Self.pushBlob("{}", to: address)
            let empty = Descriptor(of: ByteBuffer(string: "{}"), mediaType: .ociEmpty)
            let subject = Descriptor(of: ByteBuffer(string: "not there yet"), mediaType: .ociManifest)
            let none = try await RawHTTP.send("GET /v2/app/referrers/\(subject.digest)", to: address)
            #expect(none.status == 200)
            #expect(none.headers["content-type"] == MediaType.ociIndex.rawValue)
            #expect(none.text.contains(#""manifests":[]"#))
            for kind in ["test/a", "test/b"] {
                let bytes = SeededImages.manifest(config: empty, layers: [], subject: subject, artifactType: kind)
                let put = try await RawHTTP.send(
                    "PUT /v2/app/manifests/\(Digest(of: bytes))", to: address,
                    ["Content-Type": MediaType.ociManifest.rawValue], body: bytes)
                #expect(put.status == 201)
                #expect(put.headers["oci-subject"] == "\(subject.digest)")
            }
            let all = try await RawHTTP.send("GET /v2/app/referrers/\(subject.digest)", to: address)
            #expect(all.text.contains("test/a") && all.text.contains("test/b"))
            #expect(all.headers["oci-filters-applied"] == nil)
            let some = try await RawHTTP.send(
                "GET /v2/app/referrers/\(subject.digest)?artifactType=test%2Fa", to: address)
            #expect(some.text.contains("test/a") && !some.text.contains("test/b"))
            #expect(some.headers["oci-filters-applied"] == "artifactType")
            #expect(try await RawHTTP.send("GET /v2/app/referrers/nonsense", to: address).status == 400)
        }
    }

    @Test(arguments: Home.allCases)
    func `a blob is taken over from another repository`(home: Home) async throws {
        try await withRegistry(home) { address in
            try await Self.pushBlob("shared", to: address, repository: "one")
            let digest = Self.digest("shared")
            let mount = try await RawHTTP.send(
                "POST /v2/two/blobs/uploads/?mount=\(digest)&from=one", to: address)
            #expect(mount.status == 201)
            #expect(mount.headers["location"] == "/v2/two/blobs/\(digest)")
            #expect(try await RawHTTP.send("GET /v2/two/blobs/\(digest)", to: address).text == "shared")
            let absent = try await RawHTTP.send(
                "POST /v2/two/blobs/uploads/?mount=\(Self.digest("absent"))&from=one", to: address)
            #expect(absent.status == 202)
        }
    }

    @Test(arguments: Home.allCases)
    func `tags, manifests and blobs can be deleted`(home: Home) async throws {
        try await withRegistry(home) { address in
            let config = Descriptor(of: ByteBuffer(string: "{}"), mediaType: .ociConfig)
            let manifest = SeededImages.manifest(config: config, layers: [])
            let digest = Digest(of: manifest)
            try await Self.pushBlob("{}", to: address)
            for tag in ["a", "b"] {
                let put = try await RawHTTP.send(
                    "PUT /v2/app/manifests/\(tag)", to: address,
                    ["Content-Type": MediaType.ociManifest.rawValue], body: manifest)
                #expect(put.status == 201)
            }
            #expect(try await RawHTTP.send("DELETE /v2/app/manifests/a", to: address).status == 202)
            #expect(try await RawHTTP.send("DELETE /v2/app/manifests/a", to: address).status == 404)
            #expect(try await RawHTTP.send("HEAD /v2/app/manifests/\(digest)", to: address).status == 200)
            #expect(try await RawHTTP.send("DELETE /v2/app/manifests/\(digest)", to: address).status == 202)
            #expect(try await RawHTTP.send("HEAD /v2/app/manifests/b", to: address).status == 404)
            #expect(try await RawHTTP.send("HEAD /v2/app/manifests/\(digest)", to: address).status == 404)
            #expect(try await RawHTTP.send("DELETE /v2/app/blobs/\(config.digest)", to: address).status == 202)
            #expect(try await RawHTTP.send("DELETE /v2/app/blobs/\(config.digest)", to: address).status == 404)
            #expect(try await RawHTTP.send("HEAD /v2/app/blobs/\(config.digest)", to: address).status == 404)
        }
    }
}
