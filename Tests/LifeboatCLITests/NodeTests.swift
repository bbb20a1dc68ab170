import Foundation
import NIOCore
import OCI
import OCIArchive
import TestSupport
import Testing

/// Debian's containerd and podman, with the files that `mirrors` renders, against `serve`.
@Suite(.serialized) struct NodeTests {
    /// Whether this process may mount file systems, as both programs do.
    private static let canMount = Program.succeeds("unshare", "--mount", "true")

    /// An image that a node can unpack: one layer, an empty tar.
    private static func push(_ number: Int, to target: any ImageTarget, tag: OCI.Tag) async throws -> Digest {
        let layer = ByteBuffer(repeating: 0, count: 10_240)
        let layerBlob = Descriptor(of: layer, mediaType: MediaType(rawValue: "application/vnd.oci.image.layer.v1.tar"))
        let config = ByteBuffer(
            string:
                #"{"architecture":"amd64","os":"linux","config":{"Env":["NUMBER=\#(number)"]},"rootfs":{"type":"layers","diff_ids":["\#(layerBlob.digest)"]}}"#
        )
        let configBlob = Descriptor(of: config, mediaType: .ociConfig)
        try await target.write(Content(layer, as: layerBlob, from: "test"))
        try await target.write(Content(config, as: configBlob, from: "test"))
        let manifest = try Manifest(
            SeededImages.manifest(config: configBlob, layers: [layerBlob]), mediaType: .ociManifest, from: "test")
        try await target.push(manifest, tags: [tag])
        return manifest.descriptor.digest
    }

    /// A registry with an image, and a backup with an older one of the same name; both served.
    private func withOutage(
        _ body: (_ origin: ServedArchive, _ backup: ServedArchive, _ new: Digest, _ old: Digest, _ folder: String)
            async throws -> Void
    ) async throws {
        try await withTemporaryFolder { folder in
            let (name, tag) = (try RepositoryName("team/app"), try OCI.Tag("1"))
            let registry = try await Layout.create(folder + "/registry", surroundings: .ofThisMachine)
            let new = try await Self.push(1, to: registry.target(name), tag: tag)
            let origin = try await ServedArchive.start(folder + "/registry/")
            let kept = try await Layout.create(folder + "/kept", registry: origin.host, surroundings: .ofThisMachine)
            let old = try await Self.push(2, to: kept.target(name), tag: tag)
            let export = try await Lifeboat.run("export", folder + "/kept/", "--to", folder + "/backup.tar")
            #expect(export.status == 0, "\(export.errors)")
            let backup = try await ServedArchive.start(folder + "/backup.tar")
            do {
                try await body(origin, backup, new, old, folder)
            } catch {
                _ = await (origin.stop(), backup.stop())
                throw error
            }
            _ = await backup.stop()
        }
    }

    private func render(
        _ program: String, _ origin: ServedArchive, _ backup: ServedArchive, _ folder: String, _ more: String...
    ) async throws {
        let result = try await Program.run(
            Lifeboat.binary,
            [
                "mirrors", "--for", program, "--server", "http://" + backup.host, "--registry", "http://" + origin.host,
                "--out", folder,
            ] + more)
        #expect(result.status == 0, "\(result.errors)")
    }

    @Test(
        .enabled(
            if: Program.exists("containerd") && Program.exists("ctr") && canMount,
            "needs containerd and the right to mount"))
    func `containerd pulls from the registry, and from the backup once it is gone`() async throws {
        try await withOutage { origin, backup, new, old, folder in
            try await render("containerd", origin, backup, folder + "/steady")
            try await render("containerd", origin, backup, folder + "/outage", "--during-outage")
            let image = origin.host + "/team/app:1"
            try await withContainerd(in: folder) { ctr in
                func pulled(_ node: String) async throws -> String {
                    let pull = try await ctr([
                        "images", "pull", "--snapshotter", "native", "--hosts-dir",
                        folder + "/\(node)/etc/containerd/certs.d", image,
                    ])
                    #expect(pull.status == 0, "\(pull.output)\(pull.errors)")
                    let list = try await ctr(["images", "ls"])
                    return list.output.split(separator: "\n").filter { $0.hasPrefix(image) }.joined()
                }
                #expect(try await pulled("steady").contains("\(new)"))
                #expect(try await pulled("outage").contains("\(old)"))
                #expect(await origin.stop() == 128 + 15)
                #expect(try await pulled("steady").contains("\(old)"))
                let absent = try await ctr([
                    "images", "pull", "--hosts-dir", folder + "/steady/etc/containerd/certs.d",
                    origin.host + "/team/none:1",
                ])
                #expect(absent.status != 0)
            }
        }
    }

    /// A containerd of its own, which ends with `body`.
    private func withContainerd(
        in folder: String, _ body: (_ ctr: ([String]) async throws -> Program.Result) async throws -> Void
    ) async throws {
        // A socket's path has at most 107 bytes.
        let socket = folder + "/c.sock"
        try Program.write(
            """
            version = 2
            root = "\(folder)/root"
            state = "\(folder)/state"
            disabled_plugins = ["io.containerd.grpc.v1.cri"]
            [grpc]
              address = "\(socket)"
            [ttrpc]
              address = "\(folder)/t.sock"

            """, to: folder + "/config.toml")
        let containerd = try RunningProgram("containerd", ["--config", folder + "/config.toml"])
        defer {
            containerd.signal(SIGTERM)
            containerd.endBlocking()
        }
        func ctr(_ arguments: [String]) async throws -> Program.Result {
            try await Program.run("ctr", ["--address", socket] + arguments)
        }
        for _ in 0..<100 {
            if try await ctr(["version"]).status == 0 { break }
            try await Task.sleep(for: .milliseconds(100))
        }
        try await body(ctr)
    }

    @Test(.enabled(if: Program.exists("podman") && canMount, "needs podman and the right to mount"))
    func `podman pulls from the registry, and from the backup once it is gone`() async throws {
        try await withOutage { origin, backup, new, old, folder in
            try await render("podman", origin, backup, folder + "/steady")
            try await render("podman", origin, backup, folder + "/outage", "--during-outage")
            // podman takes 50 characters at most for the folder of what runs.
            let short = "/tmp/lb-\(UInt32.random(in: .min ... .max))"
            try FileManager.default.createDirectory(atPath: short, withIntermediateDirectories: false)
            defer { _ = Result { try FileManager.default.removeItem(atPath: short) } }
            func pulled(_ node: String) async throws -> String {
                let store = ["--root", short + "/root", "--runroot", short + "/run", "--storage-driver", "vfs"]
                let environment = [
                    "CONTAINERS_REGISTRIES_CONF": folder + "/\(node)/etc/containers/registries.conf.d/lifeboat.conf",
                    "HOME": folder,
                ]
                let pull = try await Program.run(
                    "podman", store + ["pull", "--quiet", origin.host + "/team/app:1"], environment: environment)
                #expect(pull.status == 0, "\(pull.errors)")
                let inspect = try await Program.run(
                    "podman", store + ["image", "inspect", "--format", "{{.Digest}}", origin.host + "/team/app:1"],
                    environment: environment)
                return inspect.output.trimmingCharacters(in: .whitespacesAndNewlines)
            }
            #expect(try await pulled("steady") == "\(new)")
            #expect(try await pulled("outage") == "\(old)")
            #expect(await origin.stop() == 128 + 15)
            #expect(try await pulled("steady") == "\(old)")
        }
    }
}
