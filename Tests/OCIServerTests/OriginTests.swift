import NIOCore
import OCI
import OCIArchive
import OCIServer
import TestSupport
import Testing

/// Two registries in one store, told apart by what clients say of where an image is from.
struct OriginTests {
    /// Where each image lies, and what it is.
    private struct Images: Sendable {
        let ofA: Manifest
        let ofB: Manifest
        let onlyOfB: Manifest
    }

    enum Home: CaseIterable { case folder, directory }

    /// A store with `team/app:1` of two registries, `team/tool:2` of one of them, and `own/app:1` of nobody knows which.
    private func withImages(_ home: Home, _ body: @escaping @Sendable (String, Images) async throws -> Void)
        async throws
    {
        try await withTemporaryFolder { folder in
            func layout(_ registry: String?) async throws -> Layout {
                try await Layout.create(folder, registry: registry, surroundings: .ofThisMachine)
            }
            let app = try RepositoryName("team/app")
            let ofB = try await SeededImages.push(
                to: layout("b.example.com:5000").target(app), seed: 2, tags: [Tag("1"), Tag("b")])
            let tool = try await SeededImages.push(
                to: layout("b.example.com:5000").target(RepositoryName("team/tool")), seed: 3, tags: [Tag("2")])
            try await SeededImages.push(to: layout(nil).target(RepositoryName("own/app")), seed: 4, tags: [Tag("1")])
            // What was taken from a part of a registry is called by the rest of its names.
            try await SeededImages.push(
                to: layout("c.example.com/part").target(RepositoryName("team/desk")), seed: 5, tags: [Tag("1")])
            // A push moves a tag, so what another registry has under the same name is put beside it by hand.
            let ofA = try await SeededImages.push(
                to: layout("a.example.com").target(RepositoryName("elsewhere")), seed: 1, tags: [Tag("1")])
            let file = folder + "/index.json"
            let text = try Program.text(of: file).replacing(
                "a.example.com/elsewhere:1", with: "a.example.com/team/app:1")
            try Program.write(text.replacing("\"elsewhere:1\"", with: "\"team/app:1\""), to: file)
            let opened = try await Layout.open(folder, surroundings: .ofThisMachine)
            let images = Images(ofA: ofA, ofB: ofB, onlyOfB: tool)
            switch home {
            case .folder: try await TestRegistry.run(over: opened, writable: false) { try await body($0, images) }
            case .directory:
                let directory = try await ImageDirectory(opened)
                try await TestRegistry.run(over: directory, writable: false) { try await body($0, images) }
            }
        }
    }

    @Test(arguments: Home.allCases)
    func `an image from a part of a registry is found under its whole name`(home: Home) async throws {
        try await withImages(home) { address, _ in
            for path in [
                "team/desk/manifests/1", "part/team/desk/manifests/1?ns=c.example.com",
                "c.example.com/part/team/desk/manifests/1",
            ] {
                let answer = try await RawHTTP.send("GET /v2/\(path)", to: address)
                #expect(answer.status == 200, "\(path)")
            }
            for path in [
                "team/desk/manifests/1?ns=c.example.com", "part/team/desk/manifests/1?ns=a.example.com",
                "part/team/app/manifests/1?ns=c.example.com", "part/desk/manifests/1?ns=c.example.com",
            ] {
                let answer = try await RawHTTP.send("GET /v2/\(path)", to: address)
                #expect(answer.status == 404, "\(path)")
            }
        }
    }

    @Test(arguments: Home.allCases)
    func `the registry that a client names decides which image it gets`(home: Home) async throws {
        try await withImages(home) { address, images in
            for (origin, image) in [("a.example.com", images.ofA), ("b.example.com:5000", images.ofB)] {
                let named = try await RawHTTP.send(
                    "GET /v2/team/app/manifests/1?ns=\(origin.replacing(":", with: "%3A"))", to: address)
                #expect(named.body == image.bytes)
                let path = origin.replacing(":", with: "_")
                let asPath = try await RawHTTP.send("GET /v2/\(path)/team/app/manifests/1", to: address)
                #expect(asPath.body == image.bytes)
                for blob in image.children {
                    let answer = try await RawHTTP.send(
                        "GET /v2/\(path)/team/app/blobs/\(blob.digest)?ns=", to: address)
                    #expect(Digest(of: answer.body) == blob.digest)
                }
            }
            let tags = try await RawHTTP.send("GET /v2/team/app/tags/list?ns=a.example.com", to: address)
            #expect(tags.text == #"{"name":"team/app","tags":["1"]}"#)
            let others = try await RawHTTP.send("GET /v2/team/app/tags/list?n=1&ns=b.example.com:5000", to: address)
            #expect(others.text == #"{"name":"team/app","tags":["1"]}"#)
            #expect(
                others.headers["link"]
                    == "</v2/team/app/tags/list?n=1&last=1&ns=b.example.com%3A5000>; rel=\"next\"")
        }
    }

    @Test(arguments: Home.allCases)
    func `a tag of two registries is given to nobody who does not say which`(home: Home) async throws {
        try await withImages(home) { address, images in
            let answer = try await RawHTTP.send("GET /v2/team/app/manifests/1", to: address)
            #expect(answer.status == 404)
            #expect(
                answer.text.contains(
                    "team/app:1 is here from several registries: ask with ?ns=HOST, or for HOST/team/app"))
            #expect(answer.text.contains("MANIFEST_UNKNOWN"))
            // What is clear needs no word: a tag of one of them, and any digest.
            let tagged = try await RawHTTP.send("GET /v2/team/app/manifests/b", to: address)
            #expect(tagged.body == images.ofB.bytes)
            let digest = images.ofA.descriptor.digest
            #expect(try await RawHTTP.send("GET /v2/team/app/manifests/\(digest)", to: address).status == 200)
        }
    }

    @Test(arguments: Home.allCases)
    func `an image of another registry is not there`(home: Home) async throws {
        try await withImages(home) { address, images in
            for (path, status) in [
                ("team/tool/manifests/2", 200), ("team/tool/manifests/2?ns=b.example.com:5000", 200),
                ("team/tool/manifests/2?ns=a.example.com", 404), ("team/app/manifests/b?ns=a.example.com", 404),
                ("a.example.com/team/tool/manifests/2", 404), ("c.example.com/team/tool/manifests/2", 404),
                // What came from nobody knows where may be of any.
                ("own/app/manifests/1?ns=a.example.com", 200), ("own/app/manifests/1", 200),
            ] {
                let answer = try await RawHTTP.send("GET /v2/\(path)", to: address)
                #expect(answer.status == status, "\(path)")
            }
        }
    }

    @Test func `Docker Hub has several names and is one registry`() async throws {
        try await withTemporaryFolder { folder in
            let layout = try await Layout.create(folder, registry: "docker.io", surroundings: .ofThisMachine)
            try await SeededImages.push(
                to: layout.target(RepositoryName("library/debian")), seed: 1, tags: [Tag("12")])
            try await TestRegistry.run(over: layout, writable: false) { address in
                for name in ["docker.io", "registry-1.docker.io", "index.docker.io"] {
                    let answer = try await RawHTTP.send("HEAD /v2/library/debian/manifests/12?ns=\(name)", to: address)
                    #expect(answer.status == 200, "\(name)")
                }
            }
        }
    }

    @Test func `a repository that is called like a registry comes before what is meant by it`() async throws {
        try await withTemporaryFolder { folder in
            let layout = try await Layout.create(folder, registry: "a.example.com", surroundings: .ofThisMachine)
            let plain = try await SeededImages.push(
                to: layout.target(RepositoryName("app")), seed: 1, tags: [Tag("1"), Tag("2")])
            let odd = try await SeededImages.push(
                to: layout.target(RepositoryName("a.example.com/app")), seed: 2, tags: [Tag("1")])
            try await TestRegistry.run(over: layout, writable: false) { address in
                let answer = try await RawHTTP.send("GET /v2/a.example.com/app/manifests/1", to: address)
                #expect(answer.body == odd.bytes)
                let other = try await RawHTTP.send("GET /v2/app/manifests/1?ns=a.example.com", to: address)
                #expect(other.body == plain.bytes)
            }
        }
    }
}
