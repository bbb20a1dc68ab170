import NIOCore
import NIOHTTP1
import OCI
import OCIRegistry
import TestSupport
import Testing

struct ReadingTests {
    @Test func `a tag is resolved with one HEAD`() async throws {
        let manifest = try image([])
        try await withScript { request in
            request.line == "HEAD /v2/team/app/manifests/1.0" ? .manifest(manifest) : nil
        } _: { repository, server in
            let found = try await repository.resolve(.tag(Tag("1.0")))
            #expect(found == manifest.descriptor)
            #expect(server.requests.count == 1)
            #expect(server.requests[0].header("Accept")?.contains("application/vnd.oci.image.index.v1+json") == true)
            #expect(server.requests[0].header("Accept-Encoding") == "identity")
        }
    }

    @Test(arguments: [404, 405, 500, 200])
    func `R11: a HEAD that does not help is followed by GET`(status: Int) async throws {
        let manifest = try image([])
        try await withScript { request in
            request.method == .HEAD ? ScriptedAnswer(status) : .manifest(manifest)
        } _: { repository, server in
            let found = try await repository.resolve(.tag(Tag("1.0")))
            #expect(found == manifest.descriptor)
            #expect(server.requests.count == 2)
        }
    }

    @Test func `a missing tag is named, with what to do`() async throws {
        try await withScript { _ in
            .error(404, "MANIFEST_UNKNOWN", "manifest unknown")
        } _: { repository, server in
            let error = try await failure { try await repository.resolve(.tag(Tag("1.0"))) }
            #expect(error.kind == .notFound)
            #expect(error.description == "\(server.host)/team/app has no tag 1.0")
            #expect(error.advice?.contains("lifeboat list") == true)
        }
    }

    @Test func `R9: a manifest whose bytes are others is damaged`() async throws {
        let wanted = try image([])
        let other = try image([.layer(sample(10))])
        try await withScript { _ in
            .manifest(other)
        } _: { repository, _ in
            let error = try await failure { try await repository.manifest(wanted.descriptor) }
            #expect(error.kind == .damaged)
            #expect(error.description.contains("got \(other.descriptor.digest)"))
            let resolved = try await failure { try await repository.resolve(.digest(wanted.descriptor.digest)) }
            #expect(resolved.kind == .damaged)
        }
    }

    @Test func `R13: a manifest above the limit is refused, however long it is`() async throws {
        let length = Int(Manifest.sizeLimit) + 1
        try await withScript { request in
            ScriptedAnswer(
                200, ["Content-Type": MediaType.ociManifest.rawValue],
                body: ByteBuffer(repeating: 0x20, count: length), ending: .stall(after: length))
        } _: { repository, _ in
            let digest = Digest(of: [1])
            let error = try await failure {
                try await repository.manifest(Descriptor(mediaType: .ociManifest, digest: digest, size: 5))
            }
            #expect(error.kind == .policy)
            #expect(error.description.contains("4194304"))
        }
    }

    @Test func `R4: a size that only a header stated is not held against the bytes`() async throws {
        let manifest = try image([])
        let wrong = String(manifest.descriptor.size + 7)
        try await withScript { request in
            guard request.method == .HEAD else { return .manifest(manifest) }
            var answer = ScriptedAnswer.manifest(manifest)
            answer.headers.replaceOrAdd(name: "Content-Length", value: wrong)
            return answer
        } _: { repository, _ in
            let resolved = try await repository.resolve(.tag(Tag("1.0")))
            #expect(try await repository.manifest(resolved).bytes == manifest.bytes)
        }
    }

    @Test func `R34: tags come in pages, each once, invalid ones left out`() async throws {
        try await withScript { request in
            if request.uri == "/v2/team/app/tags/list?n=1000" {
                return .json(
                    #"{"name":"team/app","tags":["b","a","-bad","a"]}"#,
                    [("Link", "</v2/team/app/tags/list?last=a&n=4>; rel=\"next\"")])
            }
            if request.uri == "/v2/team/app/tags/list?last=a&n=4" { return .json(#"{"tags":["c","b"]}"#) }
            return nil
        } _: { repository, _ in
            let tags = try await repository.tags()
            #expect(tags.map(\.description) == ["a", "b", "c"])
        }
    }

    @Test func `a list without tags is empty`() async throws {
        try await withScript { _ in
            .json(#"{"name":"team/app","tags":null}"#)
        } _: { repository, _ in
            let tags = try await repository.tags()
            #expect(tags.isEmpty)
        }
    }

    @Test(arguments: ["self", "endless"])
    func `R35: pages that never end are an error`(kind: String) async throws {
        try await withScript { request in
            let next =
                kind == "self" ? request.uri : "/v2/team/app/tags/list?last=\(request.uri.count)&x=\(request.uri)"
            return .json(#"{"tags":["a"]}"#, [("Link", "<\(next)>; rel=\"next\"")])
        } _: { repository, server in
            let error = try await failure { try await repository.tags() }
            #expect(error.kind == .protocolViolation)
            #expect(server.requests.count < 5)
        }
    }

    @Test(arguments: [401, 404, 405])
    func `R37: a registry without a catalog says to name the repositories`(status: Int) async throws {
        try await withScript { _ in
            status == 401
                ? ScriptedAnswer(401, ["WWW-Authenticate": "Basic realm=\"r\""]) : .error(status, "UNSUPPORTED")
        } _: { repository, _ in
            let error = try await failure { try await repository.registry.repositories() }
            #expect([.auth, .policy].contains(error.kind))
            #expect(error.advice != nil)
        }
    }

    @Test func `R46: a login page is not a registry`() async throws {
        try await withScript { _ in
            ScriptedAnswer(200, ["Content-Type": "text/html; charset=utf-8"], text: "<html>\u{1b}[31mlog in")
        } _: { repository, server in
            for error in [
                try await failure { try await repository.tags() },
                try await failure { try await repository.resolve(.tag(.latest)) },
                try await failure {
                    try await repository.read(.layer(sample(10))) { try await $0.verify() }
                },
            ] {
                #expect(error.kind == .protocolViolation)
                #expect(error.description.contains("\(server.host) is not a registry"))
            }
        }
    }

    @Test(arguments: ["<!DOCTYPE html>\n<title>log in</title>", "\n <html><body>welcome", "welcome", "[]"])
    func `a host that gives pages of no type for manifests is no registry`(page: String) async throws {
        try await withScript { _ in
            ScriptedAnswer(200, text: page)
        } _: { repository, server in
            let error = try await failure { try await repository.resolve(.tag(.latest)) }
            #expect(error.kind == .protocolViolation)
            #expect(error.description.contains(server.host))
            #expect(error.advice != nil)
        }
    }

    @Test func `a repository without tags that a user names is not found`() async throws {
        try await withScript { _ in
            .error(404, "NAME_UNKNOWN", "repository name not known to registry")
        } _: { repository, server in
            let error = try await failure { try await repository.tags() }
            #expect(error.kind == .notFound)
            #expect(error.description == "\(server.host) has no repository team/app")
        }
    }

    @Test func `a part of an image that a registry has lost is not a matter of the name`() async throws {
        let manifest = try image([.layer(sample(10))])
        try await withScript { _ in
            .error(404, "BLOB_UNKNOWN", "blob unknown to registry")
        } _: { repository, server in
            for (error, what) in [
                (
                    try await failure { try await repository.read(.layer(sample(10))) { try await $0.verify() } },
                    "blob \(Descriptor.layer(sample(10)).digest)"
                ),
                (
                    try await failure { try await repository.manifest(manifest.descriptor) },
                    "manifest \(manifest.descriptor.digest)"
                ),
            ] {
                #expect(error.kind == .notFound)
                #expect(error.description == "\(server.host)/team/app has no \(what), though an image there names it")
                #expect(error.advice == "push the image to \(server.host) again, or leave it out")
            }
        }
    }

    @Test func `R14: what a registry says is shown short and escaped`() async throws {
        let noise = String(repeating: "x", count: 100_000)
        try await withScript { _ in
            ScriptedAnswer(400, text: "\u{1b}[2Jbad\n\(noise)")
        } _: { repository, _ in
            let error = try await failure { try await repository.tags() }
            #expect(!error.description.contains("\u{1b}"))
            #expect(!error.description.contains("\n"))
            #expect(error.description.utf8.count < 1024)
        }
    }

    @Test func `R38: referrers are those of the API and of the fallback tag`() async throws {
        let subject = try image([])
        let one = Descriptor(of: ByteBuffer(string: "1"), mediaType: .ociManifest)
        let two = Descriptor(of: ByteBuffer(string: "2"), mediaType: .ociManifest)
        func index(_ list: [Descriptor]) -> String {
            JSONValue.object([
                "schemaVersion": .number(2), "mediaType": .string(MediaType.ociIndex.rawValue),
                "manifests": .array(list.map(\.json)),
            ]).text
        }
        let (first, second) = (index([one]), index([one, two]))
        let tag = Tag(referrersOf: subject.descriptor.digest)
        try await withScript { request in
            if request.path.contains("/referrers/") {
                return ScriptedAnswer(200, ["Content-Type": MediaType.ociIndex.rawValue], text: first)
            }
            return request.path.hasSuffix("/manifests/\(tag)")
                ? ScriptedAnswer(200, ["Content-Type": MediaType.ociIndex.rawValue], text: second) : nil
        } _: { repository, _ in
            let found = try await repository.referrers(of: subject.descriptor.digest)
            #expect(Set(found.map(\.digest)) == [one.digest, two.digest])
            #expect(found.count == 2)
        }
    }

    @Test func `a registry without the referrers API is asked for it once`() async throws {
        try await withScript { _ in
            ScriptedAnswer(404, text: "404 page not found\n")
        } _: { repository, server in
            for byte in UInt8(0)..<3 {
                let found = try await repository.referrers(of: Digest(of: [byte]))
                #expect(found.isEmpty)
            }
            #expect(server.lines.count { $0.contains("/referrers/") } == 1)
            #expect(server.requests.count == 4)
        }
    }

    @Test func `a fallback tag that is not among the tags is not asked for`() async throws {
        try await withScript { request in
            request.path.hasSuffix("/tags/list") ? .json(#"{"tags":["a"]}"#) : nil
        } _: { repository, server in
            _ = try await repository.tags()
            _ = try await repository.referrers(of: Digest(of: [1]))
            _ = try await repository.referrers(of: Digest(of: [2]))
            #expect(server.requests.count == 2)
        }
    }
}
