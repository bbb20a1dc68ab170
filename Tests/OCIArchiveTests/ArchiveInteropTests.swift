import Foundation
import NIOCore
import OCI
import OCIArchive
import TestSupport
import Testing

/// Other programs read our archives, and we read theirs.
struct ArchiveInteropTests {
    private func digest(_ path: String) throws -> String {
        let bytes = try readFile(path)
        return Digest(of: bytes).description
    }

    @Test(.enabled(if: Program.exists("skopeo")))
    func `skopeo copies an image out by its name, with the same digest`() async throws {
        try await withTemporaryFolder { folder in
            var images = try await ArchiveImages.one()
            try await images.add("team/app:1", seed: 9, layerSizes: [5000, 100])
            try await images.addSigned("team/signed:1", seed: 4)
            try await images.export(to: try ArchiveTarget(path: folder + "/a.tar"))
            for name in ["app:1", "team/app:1", "team/signed:1"] {
                let result = try await Program.run(
                    "skopeo", "--tmpdir", folder, "--insecure-policy", "copy", "-q",
                    "oci-archive:\(folder)/a.tar:\(name)", "dir:\(folder)/\(name.replacing("/", with: "-"))")
                #expect(result.status == 0, "\(name): \(result.errors)")
                let image = try #require(images.images.first { $0.name == name })
                #expect(
                    try digest("\(folder)/\(name.replacing("/", with: "-"))/manifest.json")
                        == image.descriptor.digest.description)
            }
        }
    }

    @Test(.enabled(if: Program.exists("skopeo")), arguments: ["a.tar", "a.tar.gz", "a.tar.zst", "a.tar.xz"])
    func `skopeo copies the image of a one-image archive without a name`(_ name: String) async throws {
        try await withTemporaryFolder { folder in
            let images = try await ArchiveImages.one()
            try await images.export(to: try ArchiveTarget(path: folder + "/" + name))
            let result = try await Program.run(
                "skopeo", "--tmpdir", folder, "--insecure-policy", "copy", "-q", "oci-archive:\(folder)/\(name)",
                "dir:\(folder)/out")
            #expect(result.status == 0, "\(result.errors)")
            #expect(try digest(folder + "/out/manifest.json") == images.images[0].descriptor.digest.description)
        }
    }

    @Test(.enabled(if: Program.exists("skopeo")))
    func `an oci-archive of skopeo is read, with the same digest`() async throws {
        try await withTemporaryFolder { folder in
            let images = try await ArchiveImages.one()
            try await images.export(to: try ArchiveTarget(path: folder + "/a.tar"))
            let result = try await Program.run(
                "skopeo", "--tmpdir", folder, "--insecure-policy", "copy", "-q", "--preserve-digests",
                "oci-archive:\(folder)/a.tar:app:1",
                "oci-archive:\(folder)/b.tar:app:1")
            #expect(result.status == 0, "\(result.errors)")
            let catalog = try await openArchive(folder + "/b.tar")
            let found = try await catalog.images()
            #expect(found.map(\.name) == ["app:1"])
            #expect(found.map(\.descriptor.digest) == images.images.map(\.descriptor.digest))
            #expect(try await ArchiveVerification(path: folder + "/b.tar").run().findings == [])
        }
    }

    @Test(.enabled(if: Program.exists("umoci")))
    func `umoci reads the unpacked archive`() async throws {
        try await withTemporaryFolder { folder in
            let images = try await ArchiveImages.one()
            try await images.export(to: try ArchiveTarget(path: folder + "/a.tar"))
            try await LocalFileSystem().createFolder(folder + "/layout")
            let unpacked = try await Program.run("tar", "-xf", folder + "/a.tar", "-C", folder + "/layout")
            #expect(unpacked.status == 0, "\(unpacked.errors)")
            let list = try await Program.run("umoci", "ls", "--layout", folder + "/layout")
            #expect(list.output == "app:1\n", "\(list.errors)")
        }
    }

    @Test(.enabled(if: Program.exists("sha256sum")))
    func `an archive is verified by hand with tar and sha256sum, as its documentation says`() async throws {
        try await withTemporaryFolder { folder in
            try await ArchiveImages.several().export(to: try ArchiveTarget(path: folder + "/a.tar"))
            let script = """
                set -e
                tar -xf a.tar
                id=$(sha256sum < lifeboat/contents | cut -d' ' -f1)
                grep -q "\\"contents\\":\\"sha256:$id\\"" lifeboat/seal
                cd blobs/sha256
                for f in *; do echo "$f  $f"; done | sha256sum --check --quiet
                cd ../sha512
                for f in *; do echo "$f  $f"; done | sha512sum --check --quiet
                """
            let result = try await Program.run("sh", "-c", script, in: folder)
            #expect(result.status == 0, "\(result.errors)")
        }
    }
}
