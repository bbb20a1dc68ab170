import Foundation
import NIOCore
import OCI
import OCIArchive
import TestSupport
import Testing

@testable import Lifeboat

/// A folder that takes pushes over a backup that is only read.
struct OverlayTests {
    /// A backup with `team/app:1`, for two platforms, and an overlay over it on a port.
    private func withOverlay(
        _ body:
            @escaping @Sendable (_ host: String, _ index: Manifest, _ layout: Layout, _ folder: String) async throws
            -> Void
    ) async throws {
        try await withTemporaryFolder { folder in
            let base = MemoryStore(name: "backup")
            let target = await base.target(try RepositoryName("team/app"))
            var children: [Descriptor] = []
            for (seed, architecture) in [(UInt64(1), "amd64"), (2, "arm64")] {
                var child = try await SeededImages.push(to: target, seed: seed, layerSizes: [300_000]).descriptor
                child.platform = Platform(os: "linux", architecture: architecture)
                children.append(child)
            }
            let index = try Manifest(SeededImages.index(children), mediaType: .ociIndex, from: "seed")
            try await target.push(index, tags: [Tag("1")])
            let layout = try await Layout.create(folder + "/over", surroundings: .ofThisMachine)
            try await TestRegistry.run(over: Overlay(layout, over: base)) { host in
                try await body(host, index, layout, folder)
            }
        }
    }

    @Test func `what is not in the overlay is read from below`() async throws {
        try await withOverlay { host, index, layout, _ in
            let answer = try await RawHTTP.send("GET /v2/team/app/manifests/1", to: host)
            #expect(answer.body == index.bytes)
            let tags = try await RawHTTP.send("GET /v2/team/app/tags/list", to: host)
            #expect(tags.text == #"{"name":"team/app","tags":["1"]}"#)
            #expect(try await layout.images().isEmpty)
        }
    }

    @Test func `a pushed image is whole in the overlay, whatever of it was below`() async throws {
        try await withOverlay { host, index, layout, _ in
            // A new tag for what is below, sent as a client does that finds all of its blobs there.
            let put = try await RawHTTP.send(
                "PUT /v2/team/app/manifests/fixed", to: host, ["Content-Type": MediaType.ociIndex.rawValue],
                body: index.bytes)
            #expect(put.status == 201)
            let fixed = try await RawHTTP.send("GET /v2/team/app/manifests/fixed", to: host)
            #expect(fixed.body == index.bytes)
            let images = try await layout.images()
            #expect(images.map(\.name) == ["team/app:fixed"])
            let source = layout.source(try RepositoryName("team/app"))
            let graph = try await ImageGraph.read(index.descriptor, from: LayoutReader(source: source))
            #expect(graph.manifests.count == 3)
            for blob in graph.blobs { try await source.read(blob) { try await $0.verify() } }
            #expect(try await layout.verify().isSound)
        }
    }

    @Test func `a tag of the overlay comes before the one below, and goes again`() async throws {
        try await withOverlay { host, index, layout, _ in
            let config = ByteBuffer(string: "{}")
            let digest = Digest(of: config)
            let post = try await RawHTTP.send(
                "POST /v2/team/app/blobs/uploads/?digest=\(digest)", to: host, body: config)
            #expect(post.status == 201)
            let manifest = SeededImages.manifest(
                config: Descriptor(of: config, mediaType: .ociConfig), layers: [])
            let put = try await RawHTTP.send(
                "PUT /v2/team/app/manifests/1", to: host, ["Content-Type": MediaType.ociManifest.rawValue],
                body: manifest)
            #expect(put.status == 201)
            let moved = try await RawHTTP.send("GET /v2/team/app/manifests/1", to: host)
            #expect(moved.body == manifest)
            let old = try await RawHTTP.send("GET /v2/team/app/manifests/\(index.descriptor.digest)", to: host)
            #expect(old.body == index.bytes)
            #expect(try await RawHTTP.send("DELETE /v2/team/app/manifests/1", to: host).status == 202)
            let back = try await RawHTTP.send("GET /v2/team/app/manifests/1", to: host)
            #expect(back.body == index.bytes)
        }
    }

    @Test func `what is below is never deleted`() async throws {
        try await withOverlay { host, index, _, _ in
            let child = index.children[0].digest
            for path in [
                "manifests/1", "manifests/\(index.descriptor.digest)", "manifests/\(child)",
            ] {
                let answer = try await RawHTTP.send("DELETE /v2/team/app/\(path)", to: host)
                #expect(answer.status == 409, "\(path)")
            }
            #expect(try await RawHTTP.send("DELETE /v2/team/app/manifests/none", to: host).status == 404)
            let blob = try await RawHTTP.send("GET /v2/team/app/manifests/\(child)", to: host)
            let config = try Manifest(blob.body, mediaType: nil, from: "the answer").children[0].digest
            #expect(try await RawHTTP.send("DELETE /v2/team/app/blobs/\(config)", to: host).status == 405)
            #expect(try await RawHTTP.send("HEAD /v2/team/app/blobs/\(config)", to: host).status == 200)
        }
    }

    @Test func `a blob of the backup is taken over into a new repository`() async throws {
        try await withOverlay { host, index, layout, _ in
            let child = try await RawHTTP.send(
                "GET /v2/team/app/manifests/\(index.children[0].digest)", to: host)
            let layer = try Manifest(child.body, mediaType: nil, from: "the answer").children[1]
            let mount = try await RawHTTP.send(
                "POST /v2/hotfix/app/blobs/uploads/?mount=\(layer.digest)&from=team/app", to: host)
            #expect(mount.status == 201)
            let source = layout.source(try RepositoryName("hotfix/app"))
            try await source.read(layer) { try await $0.verify() }
        }
    }
}

private struct LayoutReader: ManifestReader {
    let source: any ImageSource
    func manifest(_ descriptor: Descriptor) async throws -> Manifest { try await source.manifest(descriptor) }
    func referrers(of digest: Digest) async throws -> [Descriptor] { [] }
}
