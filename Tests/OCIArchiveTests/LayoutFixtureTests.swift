import Foundation
import OCI
import OCIArchive
import TestSupport
import Testing

/// Layouts that others wrote, and what a correct tool makes of them.
struct LayoutFixtureTests {
    private static let google = "google_go-containerregistry/pkg/v1/layout/testdata/"
    private static let containers = "containers_image/oci/layout/fixtures/"
    private static let regclient = "regclient_regclient/testdata/"

    private func open(_ path: String) async throws -> Layout {
        let path = try #require(fixture(path))
        return try await Layout.open(
            path, defaultRepository: RepositoryName("fixture"), surroundings: .ofThisMachine)
    }

    private struct GraphSource: ManifestReader {
        let source: any ImageSource
        func manifest(_ descriptor: Descriptor) async throws -> Manifest { try await source.manifest(descriptor) }
        func referrers(of digest: Digest) async throws -> [Descriptor] { try await source.referrers(of: digest) }
    }

    /// Copies every image with its referrers into a new layout, children first.
    private func copy(_ layout: Layout, to path: String) async throws -> Layout {
        let copy = try await Layout.create(path, gathering: true, surroundings: .ofThisMachine)
        for image in try await layout.images() {
            let source = layout.source(image.repository)
            let target = copy.target(image.repository)
            let graph = try await ImageGraph.read(image.descriptor, from: GraphSource(source: source))
            for blob in graph.blobs {
                guard try await !target.contains(blob) else { continue }
                try await source.read(blob) { try await target.write($0) }
            }
            for descriptor in graph.manifests {
                let manifest = try await source.manifest(descriptor)
                let tags = descriptor.digest == graph.root.digest ? [image.tag].compactMap { $0 } : []
                try await target.push(manifest, tags: tags)
            }
        }
        try await copy.flush()
        return copy
    }

    @Test(
        .enabled("the public fixtures are not here") { fixture(regclient) != nil },
        arguments: ["testrepo", "external"])
    func `a layout with referrers comes out as it went in`(name: String) async throws {
        let layout = try await open(Self.regclient + name)
        try await withTemporaryFolder { folder in
            let copy = try await copy(layout, to: folder + "/copy")
            let tagged = try await layout.images().filter { $0.tag != nil }.map { "\($0.name) \($0.descriptor.digest)" }
            let copied = try await copy.images().filter { $0.tag != nil }.map { "\($0.name) \($0.descriptor.digest)" }
            #expect(copied == tagged)
            #expect(tagged.count == (name == "testrepo" ? 24 : 3))
            let source = copy.source(try RepositoryName("fixture"))
            for image in try await layout.images() {
                #expect(try await source.resolve(.digest(image.descriptor.digest)).digest == image.descriptor.digest)
                let before = try await layout.source(image.repository).referrers(of: image.descriptor.digest)
                let after = try await source.referrers(of: image.descriptor.digest)
                #expect(after.map(\.digest) == before.map(\.digest))
            }
            #expect(try await copy.verify().isSound)
        }
    }

    @Test(
        .enabled("the public fixtures are not here") { fixture(google) != nil },
        arguments: ["test_index_media_type", "test_index_one_image", "test_gc_index"])
    func `a layout of mixed media types is read`(name: String) async throws {
        let result = try await open(Self.google + name).verify()
        #expect(result.images > 0)
        #expect(result.findings.allSatisfy { $0.fault == .unreferenced || $0.fault == .missing }, "\(result.findings)")
    }

    @Test(.enabled("the public fixtures are not here") { fixture(google) != nil })
    func `an image whose type is unknown is known by its content`() async throws {
        let layout = try await open(Self.google + "test_index")
        try await withTemporaryFolder { folder in
            let copy = try await copy(layout, to: folder + "/copy")
            #expect(try await copy.images().map(\.name) == ["fixture:1", "fixture:2", "fixture:3", "fixture:4"])
            #expect(try await copy.verify().isSound)
        }
    }

    @Test(.enabled("the public fixtures are not here") { fixture(google) != nil })
    func `a missing blob is named`() async throws {
        let result = try await open(Self.google + "test_gc_image_unknown_mediatype").verify()
        #expect(result.findings.map(\.fault) == [.missing])
        #expect(
            result.findings.first?.what.contains(
                "sha256:32589985702551b6c56033bb3334432a0a513bf9d6aceda0f67c42b003850720") == true)
    }

    @Test(
        .enabled("the public fixtures are not here") { fixture(containers) != nil },
        arguments: [
            ("delete_image_only_one_image", "has 740 bytes, want 585"),
            ("delete_image_multiple_images", "has 584 bytes, want 585"),
        ])
    func `a wrong size is named with what is there and what is wanted`(name: String, words: String) async throws {
        let layout = try await open(Self.containers + name)
        let result = try await layout.verify()
        #expect(result.findings.contains { $0.fault == .sizeMismatch && $0.what.contains(words) })
        #expect(!result.isSound)
        try await withTemporaryFolder { folder in
            let error = await #expect(throws: ArchiveError.self) { _ = try await copy(layout, to: folder + "/copy") }
            #expect(error?.kind == .damaged)
            #expect(error?.description.contains(words) == true)
        }
    }

    @Test(
        .enabled("the public fixtures are not here") { fixture(containers) != nil },
        arguments: ["name_lookups", "manifest", "two_images_manifest"])
    func `a list of images alone is no layout`(name: String) async throws {
        let error = await #expect(throws: ArchiveError.self) { _ = try await open(Self.containers + name) }
        #expect(error?.kind == .damaged)
        #expect(error?.description.contains("it has no oci-layout file") == true)
    }
}
