import Foundation
import NIOCore
import OCI
import OCIArchive
import OCIServer
import TestSupport
import Testing

/// Against real clients, wherever they are installed.
struct SkopeoTests {
    private static let skopeo = "/usr/bin/skopeo"
    private static let umoci = "/usr/bin/umoci"
    private static var hasSkopeo: Bool { FileManager.default.isExecutableFile(atPath: skopeo) }
    private static var hasUmoci: Bool { FileManager.default.isExecutableFile(atPath: umoci) }

    private func run(_ program: String, _ arguments: [String]) async throws -> (status: Int32, output: String) {
        let result = try await Program.run(program, arguments)
        return (result.status, result.output + result.errors)
    }

    @Test(.enabled(if: hasSkopeo))
    func `skopeo pushes to a folder and pulls the same digest`() async throws {
        try await withTemporaryFolder { folder in
            let made = try await Layout.create(folder + "/made", surroundings: .ofThisMachine)
            let image = try await SeededImages.push(
                to: made.target(RepositoryName("made")), seed: 1, layerSizes: [5000, 3_000_000], tags: [.latest])
            let served = try await Layout.create(folder + "/served", surroundings: .ofThisMachine)
            try await TestRegistry.run(over: served) { address in
                let push = try await run(
                    Self.skopeo,
                    [
                        "copy", "--preserve-digests", "--dest-tls-verify=false", "oci:\(folder)/made:made:latest",
                        "docker://\(address)/team/app:1.0",
                    ])
                #expect(push.status == 0, "\(push.output)")
                let raw = try await run(
                    Self.skopeo, ["inspect", "--raw", "--tls-verify=false", "docker://\(address)/team/app:1.0"])
                #expect(raw.output == String(buffer: image.bytes))
                let pull = try await run(
                    Self.skopeo,
                    [
                        "copy", "--preserve-digests", "--src-tls-verify=false", "docker://\(address)/team/app:1.0",
                        "oci:\(folder)/pulled:x",
                    ])
                #expect(pull.status == 0, "\(pull.output)")
                let tags = try await run(
                    Self.skopeo, ["list-tags", "--tls-verify=false", "docker://\(address)/team/app"])
                #expect(tags.output.contains("\"1.0\""))
                let delete = try await run(
                    Self.skopeo, ["delete", "--tls-verify=false", "docker://\(address)/team/app:1.0"])
                #expect(delete.status == 0, "\(delete.output)")
            }
            let pulled = try await Layout.open(
                folder + "/pulled", defaultRepository: RepositoryName("pulled"), surroundings: .ofThisMachine)
            #expect(try await pulled.images().map(\.descriptor.digest) == [image.descriptor.digest])
            #expect(try await pulled.verify().isSound)
        }
    }

    @Test(.enabled(if: hasUmoci))
    func `umoci lists the images of a folder`() async throws {
        try await withTemporaryFolder { folder in
            let layout = try await Layout.create(folder + "/layout", surroundings: .ofThisMachine)
            try await SeededImages.push(to: layout.target(RepositoryName("team/app")), seed: 1, tags: [.latest])
            let list = try await run(Self.umoci, ["list", "--layout", folder + "/layout"])
            #expect(list.status == 0)
            #expect(list.output.contains("team/app:latest"))
        }
    }
}
