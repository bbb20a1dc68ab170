import Foundation
import OCI
import OCIArchive
import TestSupport
import Testing

/// Layouts and archives that others made, through the built command into a registry and back.
@Suite(.enabled(if: Fixtures.arePresent, "the public fixtures are not here"))
struct FixtureTests {
    /// Tags and digests of a folder.
    private func names(_ folder: String) async throws -> [String: Digest] {
        let layout = try await Layout.open(
            folder, defaultRepository: RepositoryName("x/y"), surroundings: .ofThisMachine)
        return Dictionary(
            try await layout.images().map { ($0.name, $0.descriptor.digest) }, uniquingKeysWith: { first, _ in first })
    }

    private func sources(_ path: String) -> String { Fixtures.path(path) }

    @Test func `a layout with referrers, artifacts and a loop goes through archive and registry unchanged`()
        async throws
    {
        let origin = sources("regclient_regclient/testdata/testrepo")
        try await withTemporaryFolder { folder in
            let served = try await Layout.create(folder + "/served", surroundings: .ofThisMachine)
            let export = try await Lifeboat.run(
                "export", origin + "/", "--repository", "x/y", "--to", folder + "/a.tar")
            #expect(export.status == 0, "\(export.output)\(export.errors)")
            try await TestRegistry.run(over: served) { host in
                let imported = try await Lifeboat.run("import", folder + "/a.tar", "--to", host)
                #expect(imported.status == 0, "\(imported.output)\(imported.errors)")
                let back = try await Lifeboat.run("export", host, "--to", folder + "/back/")
                #expect(back.status == 0, "\(back.output)\(back.errors)")
            }
            let (before, after) = (try await names(origin), try await names(folder + "/back"))
            #expect(before.filter { !$0.key.contains("@") }.count == 24)
            for (name, digest) in before { #expect(after[name] == digest, "\(name)") }
            // Every blob that an image or a referrer needs is there again, byte for byte.
            let verified = try await Lifeboat.run("verify", folder + "/back/")
            #expect(verified.status == 0, "\(verified.output)")
        }
    }

    @Test func `referrers whose subject lives elsewhere are imported`() async throws {
        let new = MemoryStore()
        try await TestRegistry.run(over: new) { host in
            let result = try await Lifeboat.run(
                "import", sources("regclient_regclient/testdata/external") + "/", "--repository", "x/y", "--to", host)
            #expect(result.status == 0, "\(result.output)\(result.errors)")
            #expect(
                (result.output + result.errors).contains("its subject is not there"), "\(result.output)\(result.errors)"
            )
        }
        #expect(try await new.source(RepositoryName("x/y")).tags().count == 3)
    }

    @Test(arguments: [
        ("oras-project_oras-go/content/oci/testdata/hello-world.tar", 0),
        ("oras-project_oras-go/content/oci/testdata/hello-world-prefixed-path.tar", 0),
        ("google_go-containerregistry/pkg/v1/tarball/testdata/hello-world-v25.tar", 0),
        ("google_go-containerregistry/pkg/v1/tarball/testdata/test_image_1.tar", 0),
        ("google_go-containerregistry/pkg/v1/tarball/testdata/test_image_2.tar", 0),
        ("google_go-containerregistry/pkg/v1/tarball/testdata/test_bundle.tar", 0),
        ("google_go-containerregistry/pkg/v1/tarball/testdata/test_link.tar", 0),
        ("google_go-containerregistry/pkg/v1/tarball/testdata/test_load_manifest.tar", 0),
        ("google_go-containerregistry/pkg/v1/tarball/testdata/no_manifest.tar", 65),
        ("google_go-containerregistry/pkg/v1/tarball/testdata/null_manifest.tar", 65),
        ("containers_skopeo/systemtest/testdata/docker-two-images.tar.xz", 0),
    ])
    func `each archive gets the verdict that it deserves`(_ path: String, _ status: Int32) async throws {
        let new = MemoryStore()
        try await TestRegistry.run(over: new) { host in
            // The first two hold one platform of an index of several.
            let result = try await Lifeboat.run(
                "import", sources(path), "--repository", "x/y", "--to", host, "--platform", "linux/amd64")
            #expect(result.status == status, "\(result.output)\(result.errors)")
        }
        #expect(await new.repositories().isEmpty == (status != 0))
    }

    @Test(arguments: ["delete_image_only_one_image", "delete_image_multiple_images"])
    func `a descriptor whose size is wrong is damage, with both figures`(_ name: String) async throws {
        let result = try await Lifeboat.run("verify", sources("containers_image/oci/layout/fixtures/\(name)") + "/")
        #expect(result.status == 65, "\(result.output)\(result.errors)")
        #expect(result.output.contains("want"), "\(result.output)")
    }
}
