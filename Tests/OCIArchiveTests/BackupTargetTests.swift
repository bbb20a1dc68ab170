import Foundation
import NIOCore
import OCI
import TestSupport
import Testing

@testable import OCIArchive

/// Backups of all kinds of images, as other programs and another set see them.
struct BackupTargetTests {
    private static let night = Int64(1_763_690_400)

    private func surroundings(at seconds: Int64) -> Surroundings {
        var surroundings = Surroundings.ofThisMachine
        surroundings.now = { seconds * 1000 }
        return surroundings
    }

    /// One backup of images, at a time.
    private func export(_ images: ArchiveImages, to path: String, at seconds: Int64 = night) async throws -> Backup {
        let set = try await BackupSet.create(path, surroundings: surroundings(at: seconds))
        let target = BackupTarget(
            set,
            BackupTarget.Purpose(
                pipeline: "nightly", source: ArchiveImages.registry, scope: "0123456789abcdef", began: seconds - 60))
        let blobs = try await target.begin(images.planned) { try images.manifest($0) }
        for blob in blobs {
            for name in await images.store.repositories() {
                guard try await images.store.target(name).contains(blob) else { continue }
                let repository = try target.target(name)
                if try await !repository.contains(blob) {
                    try await images.store.source(name).read(blob) { try await repository.write($0) }
                }
                break
            }
        }
        for image in images.planned {
            let repository = try target.target(image.image.repository)
            for manifest in image.graph.manifests {
                try await repository.push(try images.manifest(manifest.digest), tags: [])
            }
        }
        let id = try await target.commit()
        return try #require(try await set.backups().first { $0.id == id })
    }

    private func page() throws -> String {
        let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        return String(decoding: try readFile(root.path + "/docs/backup-set-format.md"), as: UTF8.self)
    }

    @Test func `the documented example is what is written`() async throws {
        try await withTemporaryFolder { folder in
            let images = try await ArchiveImages.one()
            _ = try await export(images, to: folder)
            let backup = try await export(images, to: folder, at: Self.night + 86_400)
            let text = String(decoding: try readFile("\(folder)/records/\(backup.file)"), as: UTF8.self)
            #expect(try page().contains("```json\n" + text + "```\n"), "\(text)")
        }
    }

    @Test func `the documented recipe finds a set right, and what is wrong in it`() async throws {
        try await withTemporaryFolder { folder in
            let backup = try await export(try await ArchiveImages.several(), to: folder)
            let blocks = try page().components(separatedBy: "```sh\n")
            let recipe = try #require(blocks.dropFirst().first?.components(separatedBy: "```\n").first)
                .split(separator: "\n").filter { !$0.hasPrefix("cd ") && !$0.hasPrefix("skopeo ") }
                .joined(separator: "\n")
            let sound = try await Program.run("bash", "-c", recipe, in: folder)
            #expect(sound.status == 0, "\(sound.errors)")
            #expect(sound.output.contains("records/\(backup.file) sealed"))
            #expect(!sound.output.contains("missing") && !sound.output.contains("FAILED"))
            #expect(sound.output.components(separatedBy: #""record":"image""#).count == 7)

            let set = try await BackupSet.open(folder, surroundings: .ofThisMachine)
            let blobs = try await set.record(backup).blobs.filter { $0.digest.algorithm == .sha256 }
            try FileManager.default.removeItem(atPath: set.path(of: blobs[0].digest))
            try Data("x".utf8).write(to: URL(fileURLWithPath: set.path(of: blobs[1].digest)))
            let wrong = try await Program.run("bash", "-c", recipe, in: folder)
            #expect(wrong.output.contains("missing: \(blobs[0].digest.hex)"))
            #expect((wrong.output + wrong.errors).contains("\(blobs[1].digest.hex): FAILED"))
        }
    }

    @Test func `indexes, signatures and sha512 come back as they were`() async throws {
        try await withTemporaryFolder { folder in
            let images = try await ArchiveImages.several()
            let backup = try await export(images, to: folder)
            let set = try await BackupSet.open(folder, surroundings: .ofThisMachine)
            let source = try await set.source(of: backup)
            #expect(source.images() == images.images)
            for planned in images.planned {
                let repository = try source.source(planned.image.repository)
                let graph = try await ImageGraph.read(planned.image.descriptor, from: repository)
                #expect(graph.manifests.map(\.digest) == planned.graph.manifests.map(\.digest))
                #expect(graph.blobs.map(\.digest) == planned.graph.blobs.map(\.digest))
                #expect(graph.referrers.keys == planned.graph.referrers.keys)
                for blob in graph.blobs { try await repository.read(blob) { try await $0.verify() } }
            }
            let result = try await set.verify()
            #expect(result.isSound)
            #expect(result.images == images.images.count)
            #expect(result.unreferenced == 0)
        }
    }

    @Test func `a backup gives out nothing that is not its own`() async throws {
        try await withTemporaryFolder { folder in
            let first = try await export(try await ArchiveImages.one(), to: folder)
            var others = ArchiveImages()
            try await others.add("app:2", seed: 2, layerSizes: [100])
            _ = try await export(others, to: folder, at: Self.night + 86_400)
            let set = try await BackupSet.open(folder, surroundings: .ofThisMachine)
            let repository = try #require(
                try await set.source(of: first).source(try RepositoryName("app")) as? any RandomAccessSource)
            let stranger = others.planned[0].graph
            #expect(try await set.status(of: stranger.blobs[0].digest) != nil)
            #expect(try await repository.blob(stranger.blobs[0].digest) == nil)
            await #expect(throws: ArchiveError.self) {
                _ = try await repository.resolve(.digest(stranger.root.digest))
            }
            await #expect(throws: ArchiveError.self) {
                try await repository.read(stranger.blobs[0]) { try await $0.verify() }
            }
        }
    }

    @Test(.enabled(if: Program.exists("skopeo")))
    func `skopeo copies an image out of the folder`() async throws {
        try await withTemporaryFolder { folder in
            let images = try await ArchiveImages.several()
            _ = try await export(images, to: folder + "/set")
            for name in ["team/app:2", "team/signed:1"] {
                let out = folder + "/" + name.replacing("/", with: "-")
                let result = try await Program.run(
                    "skopeo", "--tmpdir", folder, "--insecure-policy", "copy", "-q", "oci:\(folder)/set:\(name)",
                    "dir:\(out)")
                #expect(result.status == 0, "\(result.errors)")
                let image = try #require(images.images.first { $0.name == name })
                #expect(Digest(of: try readFile(out + "/manifest.json")) == image.descriptor.digest)
            }
        }
    }

    @Test func `backups are copied with their ids and times, and only what is lacking`() async throws {
        try await withTemporaryFolder { folder in
            let first = try await export(try await ArchiveImages.several(), to: folder + "/a")
            let set = try await BackupSet.open(folder + "/a", surroundings: .ofThisMachine)
            let other = try await BackupSet.create(folder + "/b", surroundings: .ofThisMachine)
            let all = try await set.copy(nil, to: other)
            #expect(all.copied == [first])
            #expect(all.bytes == first.header.bytes)
            var images = try await ArchiveImages.several()
            try await images.add("team/app:3", seed: 30, layerSizes: [1234])
            let second = try await export(images, to: folder + "/a", at: Self.night + 86_400)
            let again = try await set.copy(nil, to: other)
            #expect(again.copied == [second])
            #expect(again.present == 1)
            #expect(again.bytes == second.header.bytesAdded)
            #expect(try await other.backups() == [first, second])
            #expect(try await other.verify().isSound)
            for file in ["index.json", "oci-layout", "records/\(first.file)", "records/\(second.file)"] {
                #expect(try readFile("\(folder)/a/\(file)") == readFile("\(folder)/b/\(file)"))
            }
        }
    }

    @Test func `a damaged blob is not copied, and the backups that need it are named`() async throws {
        try await withTemporaryFolder { folder in
            let first = try await export(try await ArchiveImages.one(), to: folder + "/a")
            var images = ArchiveImages()
            try await images.add("web:1", seed: 2, layerSizes: [100])
            let second = try await export(images, to: folder + "/a", at: Self.night + 86_400)
            let set = try await BackupSet.open(folder + "/a", surroundings: .ofThisMachine)
            let layer = try #require(try await set.record(first).blobs.last)
            try Data(repeating: 1, count: Int(layer.size)).write(to: URL(fileURLWithPath: set.path(of: layer.digest)))
            let other = try await BackupSet.create(folder + "/b", surroundings: .ofThisMachine)
            let result = try await set.copy(nil, to: other)
            #expect(result.copied == [second])
            #expect(result.failed.map(\.backup) == [first])
            #expect(try await other.verify().isSound)
        }
    }

    @Test func `a folder with other things in it does not become a set`() async throws {
        try await withTemporaryFolder { folder in
            try Data("mine".utf8).write(to: URL(fileURLWithPath: folder + "/thesis.tex"))
            let error = await #expect(throws: ArchiveError.self) {
                _ = try await BackupSet.create(folder, surroundings: .ofThisMachine)
            }
            #expect(error?.kind == .conflict)
            #expect(error?.description.contains("thesis.tex") == true)
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder) == ["thesis.tex"])
        }
    }
}
