import NIOCore
import NIOHTTP1
import OCI
import OCIRegistry
import TestSupport
import Testing

/// Listings that say what tags point to.
struct ListingTests {
    private static func digest(_ number: Int) -> Digest { Digest(of: [UInt8(number)]) }

    private static func options(_ listing: TagListing) -> RegistryOptions { .quick { $0.listing = listing } }

    @Test func `Azure's listing gives a digest for each tag, page by page`() async throws {
        try await withScript(Self.options(.acr)) { request in
            switch request.uri {
            case "/acr/v1/team/app/_tags?n=1000":
                .json(
                    #"{"registry":"r","imageName":"team/app","tags":[{"name":"a","digest":"\#(Self.digest(1))","signed":false},{"name":"b","digest":"\#(Self.digest(2))"}]}"#,
                    [("Link", "</acr/v1/team/app/_tags?last=b&n=1000&orderby=>; rel=\"next\"")])
            case "/acr/v1/team/app/_tags?last=b&n=1000&orderby=":
                .json(#"{"tags":[{"name":"c","digest":"\#(Self.digest(1))"},{"name":"d","digest":"nonsense"}]}"#)
            default: nil
            }
        } _: { repository, server in
            let tags = try await repository.tags()
            #expect(tags.map(\.description) == ["a", "b", "c", "d"])
            let listed = try await repository.listedTags()
            #expect(
                listed == [
                    try Tag("a"): ListedTag(digest: Self.digest(1), mediaType: nil),
                    try Tag("b"): ListedTag(digest: Self.digest(2), mediaType: nil),
                    try Tag("c"): ListedTag(digest: Self.digest(1), mediaType: nil),
                ])
            #expect(server.requests.count == 2)
        }
    }

    @Test(arguments: [400, 401, 403, 405])
    func `where Azure's listing is refused, the standard one does, and is not asked for again`(status: Int) async throws
    {
        try await withScript(Self.options(.acr)) { request in
            request.path.hasPrefix("/acr/") ? ScriptedAnswer(status) : .json(#"{"tags":["a"]}"#)
        } _: { repository, server in
            for _ in 0..<2 {
                let tags = try await repository.tags()
                #expect(tags == [try Tag("a")])
            }
            let listed = try await repository.listedTags()
            #expect(listed == nil)
            #expect(server.requests.count { $0.path.hasPrefix("/acr/") } == 1)
        }
    }

    @Test func `a repository that is not there is named, also where Azure's listing is asked first`() async throws {
        try await withScript(Self.options(.acr)) { _ in
            .error(404, "NAME_UNKNOWN")
        } _: { repository, _ in
            let error = try await failure { try await repository.tags() }
            #expect(error.kind == .notFound)
            #expect(error.description.contains("has no repository team/app"))
        }
    }

    @Test func `Google's listing has digests and media types beside the tags`() async throws {
        try await withScript(Self.options(.google)) { _ in
            .json(
                #"""
                {"child":[],"name":"team/app","tags":["a","b","c"],"manifest":{
                "\#(Self.digest(1))":{"imageSizeBytes":"5","layerId":"","mediaType":"application/vnd.oci.image.index.v1+json","tag":["a","c"]},
                "\#(Self.digest(2))":{"mediaType":"who/knows","tag":["b"]},
                "\#(Self.digest(3))":{"mediaType":"who/knows","tag":[]},
                "nonsense":{"tag":["x"]}}}
                """#)
        } _: { repository, server in
            let tags = try await repository.tags()
            #expect(tags.map(\.description) == ["a", "b", "c"])
            let listed = try await repository.listedTags()
            #expect(listed?[try Tag("a")] == ListedTag(digest: Self.digest(1), mediaType: .ociIndex))
            #expect(listed?[try Tag("b")] == ListedTag(digest: Self.digest(2), mediaType: nil))
            #expect(listed?.count == 3)
            #expect(server.requests.count == 1)
        }
    }

    @Test func `a registry that lists in the standard way says nothing of digests`() async throws {
        try await withScript { _ in
            .json(#"{"tags":["a"]}"#)
        } _: { repository, server in
            let listed = try await repository.listedTags()
            #expect(listed == nil)
            #expect(server.requests.isEmpty)
        }
    }
}
