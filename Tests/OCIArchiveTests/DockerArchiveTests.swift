import Foundation
import NIOCore
import OCI
import OCIArchive
import TestSupport
import Testing

struct DockerArchiveTests {
    private static let folder = "google_go-containerregistry/pkg/v1/tarball/testdata/"

    private func open(_ path: String, defaultRepository: RepositoryName? = nil) async throws -> any ImageCatalog {
        try await openArchive(
            path,
            ArchiveOpening(
                workFolder: NSTemporaryDirectory(), defaultRepository: defaultRepository, docker: DockerArchive.open))
    }

    /// Reads every byte of every image, and says what they are called.
    private func names(of catalog: any ImageCatalog) async throws -> [String] {
        for image in try await catalog.images() {
            let source = try await catalog.source(image.repository)
            let graph = try await ImageGraph.read(image.descriptor, from: GraphSource(source))
            for blob in graph.blobs { try await source.read(blob) { try await $0.verify() } }
        }
        return try await catalog.images().map(\.name)
    }

    private struct GraphSource: ManifestReader {
        let source: any ImageSource
        init(_ source: any ImageSource) { self.source = source }
        func manifest(_ descriptor: Descriptor) async throws -> Manifest { try await source.manifest(descriptor) }
        func referrers(of digest: Digest) async throws -> [Descriptor] { try await source.referrers(of: digest) }
    }

    @Test(
        .enabled("the public fixtures are not here") { fixture(folder + "test_image_1.tar") != nil },
        arguments: [
            ("test_image_1.tar", ["bazel/v1/tarball:test_image_1"]),
            ("test_image_2.tar", ["bazel/v1/tarball:test_image_2"]),
            ("test_bundle.tar", ["library/test_image_1:latest", "library/test_image_2:latest"]),
            ("test_link.tar", ["bazel/v1/tarball:test_image_1", "bazel/v1/tarball:test_image_3"]),
            ("test_load_manifest.tar", ["bazel/v1/tarball:test_image_1"]),
        ])
    func `an old docker save archive is read as OCI images`(file: String, expected: [String]) async throws {
        let path = try #require(fixture(Self.folder + file))
        let catalog = try await open(path)
        #expect(try await names(of: catalog) == expected)
    }

    @Test(.enabled("the public fixtures are not here") { fixture(folder + "test_image_1.tar") != nil })
    func `config and layers stay as they are`() async throws {
        let path = try #require(fixture(Self.folder + "test_image_1.tar"))
        let catalog = try await open(path)
        let image = try #require(try await catalog.images().first)
        let source = try await catalog.source(image.repository)
        let manifest = try await source.manifest(image.descriptor)
        #expect(manifest.children.map(\.mediaType) == [.ociConfig, .ociLayer])
        #expect(
            manifest.children[0].digest.hex == "6e0b05049ed9c17d02e1a55e80d6599dbfcce7f4f4b022e3c673e685789c470e")
        let again = try await open(path).images().map(\.descriptor.digest)
        #expect(again == [image.descriptor.digest])
    }

    @Test(.enabled("the public fixtures are not here") { fixture("containers_skopeo") != nil })
    func `a link to the layer of another image is resolved inside the archive`() async throws {
        let path = try #require(fixture("containers_skopeo/systemtest/testdata/docker-two-images.tar.xz"))
        let catalog = try await open(path)
        #expect(try await names(of: catalog) == ["empty:latest", "empty/but:different"])
        let images = try await catalog.images()
        #expect(images.map(\.registry) == ["example.com", "example.com"])
    }

    @Test(
        .enabled("the public fixtures are not here") { fixture(folder + "no_manifest.tar") != nil },
        arguments: [("no_manifest.tar", "manifest.json"), ("null_manifest.tar", "is null")])
    func `an archive without a list of images says so`(file: String, words: String) async throws {
        let path = try #require(fixture(Self.folder + file))
        let error = await #expect(throws: (any Error).self) { _ = try await open(path) }
        let failure = try #require(error as? any Failure)
        #expect(failure.kind == .damaged)
        #expect(failure.description.contains(words))
    }

    @Test(.enabled("the public fixtures are not here") { fixture(folder + "test_image_1.tar") != nil })
    func `an altered layer or config is found when the archive is opened`() async throws {
        let path = try #require(fixture(Self.folder + "test_image_1.tar"))
        let right = try Data(contentsOf: URL(fileURLWithPath: path))
        try await withTemporaryFolder { folder in
            // The config begins at 512; the layer's content at 2560, behind VERSION.
            let entries = try await openEntries(path)
            for suffix in [".json", "layer.tar"] {
                let entry = try #require(
                    entries.first { $0.name.hasSuffix(suffix) && $0.name != "manifest.json" && $0.size > 0 })
                var wrong = right
                wrong[Int(entry.contentOffset) + 7] ^= 1
                let copy = folder + "/copy.tar"
                try wrong.write(to: URL(fileURLWithPath: copy))
                let error = await #expect(throws: (any Error).self) { _ = try await open(copy) }
                #expect((error as? any Failure)?.kind == .damaged)
            }
        }
    }

    private func openEntries(_ path: String) async throws -> [TarEntry] {
        let file = try await LocalFileSystem().open(path, .read)
        let entries = try await TarReader.entries(of: file)
        try await file.close()
        return entries
    }
}
