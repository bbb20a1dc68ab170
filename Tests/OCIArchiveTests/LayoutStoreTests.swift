import Foundation
import NIOCore
import OCI
import OCIArchive
import TestSupport
import Testing

struct LayoutStoreTests {
    @Test func `a layout folder passes the store suite`() async throws {
        try await withTemporaryFolder { folder in
            let layout = try await Layout.create(folder + "/layout", surroundings: .ofThisMachine)
            try await StoreSuite(over: layout).run()
            let again = try await Layout.open(folder + "/layout", surroundings: .ofThisMachine)
            let result = try await again.verify()
            #expect(result.isSound, "\(result.findings)")
            let left = try FileManager.default.contentsOfDirectory(atPath: folder + "/layout/lifeboat-tmp")
            #expect(left == ["lock"])
        }
    }

    @Test func `memory passes the store suite`() async throws {
        try await StoreSuite(over: MemoryStore()).run()
    }

    @Test func `a folder is no layout before its first image`() async throws {
        try await withTemporaryFolder { folder in
            let path = folder + "/layout"
            let layout = try await Layout.create(path, surroundings: .ofThisMachine)
            #expect(!FileManager.default.fileExists(atPath: path + "/oci-layout"))
            #expect(!FileManager.default.fileExists(atPath: path + "/index.json"))
            try await SeededImages.push(to: layout.target(RepositoryName("a/b")), seed: 1, tags: [.latest])
            #expect(
                try String(contentsOfFile: path + "/oci-layout", encoding: .utf8) == #"{"imageLayoutVersion":"1.0.0"}"#)
        }
    }

    @Test func `a folder with other things in it is not taken over`() async throws {
        try await withTemporaryFolder { folder in
            try "mine".write(toFile: folder + "/notes.txt", atomically: true, encoding: .utf8)
            let error = await #expect(throws: ArchiveError.self) {
                _ = try await Layout.create(folder, surroundings: .ofThisMachine)
            }
            #expect(error?.kind == .conflict)
            #expect(error?.description.contains("notes.txt") == true)
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder) == ["notes.txt"])
        }
    }

    @Test func `images are named so that others find them`() async throws {
        try await withTemporaryFolder { folder in
            let layout = try await Layout.create(folder, registry: "example.com", surroundings: .ofThisMachine)
            let repository = try RepositoryName("team/app")
            let image = try await SeededImages.push(to: layout.target(repository), seed: 1, tags: [try Tag("1.0")])
            let loose = try await SeededImages.push(to: layout.target(repository), seed: 2)
            let text = try String(contentsOfFile: folder + "/index.json", encoding: .utf8)
            #expect(text.contains(#""org.opencontainers.image.ref.name":"team/app:1.0""#))
            #expect(text.contains(#""io.containerd.image.name":"example.com/team/app:1.0""#))
            #expect(text.contains(#""dev.lifeboat.repository":"team/app""#))
            let images = try await Layout.open(folder, surroundings: .ofThisMachine).images()
            #expect(images.map(\.name) == ["team/app@\(loose.descriptor.digest)", "team/app:1.0"])
            #expect(images.map(\.registry) == [nil, "example.com"])
            #expect(images.last?.descriptor.digest == image.descriptor.digest)
        }
    }

    @Test func `the children of an index are listed with it and not beside it`() async throws {
        try await withTemporaryFolder { folder in
            let layout = try await Layout.create(folder, surroundings: .ofThisMachine)
            let target = layout.target(try RepositoryName("multi"))
            let children = [
                try await SeededImages.push(to: target, seed: 1), try await SeededImages.push(to: target, seed: 2),
            ]
            let index = try Manifest(
                SeededImages.index(children.map(\.descriptor)), mediaType: .ociIndex, from: "test")
            try await target.push(index, tags: [.latest])
            let images = try await Layout.open(folder, surroundings: .ofThisMachine).images()
            #expect(images.map(\.name) == ["multi:latest"])
            let source = layout.source(try RepositoryName("multi"))
            #expect(try await source.resolve(.digest(children[0].descriptor.digest)) == children[0].descriptor)
        }
    }

    @Test func `two writers of one folder lose nothing of each other`() async throws {
        try await withTemporaryFolder { folder in
            try await withThrowingTaskGroup(of: Void.self) { group in
                for writer in 0..<4 {
                    group.addTask {
                        let layout = try await Layout.create(folder, surroundings: .ofThisMachine)
                        for number in 0..<5 {
                            let target = layout.target(try RepositoryName("writer\(writer)"))
                            let seed = UInt64(writer * 10 + number)
                            try await SeededImages.push(to: target, seed: seed, tags: [try Tag("t\(number)")])
                        }
                    }
                }
                try await group.waitForAll()
            }
            let images = try await Layout.open(folder, surroundings: .ofThisMachine).images()
            #expect(images.count == 20)
        }
    }

    @Test func `gathered images are listed after a flush, in few writes`() async throws {
        try await withTemporaryFolder { folder in
            let layout = try await Layout.create(folder, gathering: true, surroundings: .ofThisMachine)
            let target = layout.target(try RepositoryName("many"))
            for number in 0..<50 {
                let seed = UInt64(number)
                try await SeededImages.push(to: target, seed: seed, layerSizes: [10], tags: [try Tag("t\(number)")])
            }
            #expect(try await layout.images().count == 50)
            try await layout.flush()
            #expect(try await Layout.open(folder, surroundings: .ofThisMachine).images().count == 50)
        }
    }

    @Test func `what a dead process left behind is swept away`() async throws {
        try await withTemporaryFolder { folder in
            _ = try await Layout.create(folder, surroundings: .ofThisMachine)
            let litter = folder + "/lifeboat-tmp/blob-0123"
            try "half".write(toFile: litter, atomically: false, encoding: .utf8)
            _ = try await Layout.create(folder, surroundings: .ofThisMachine)
            #expect(!FileManager.default.fileExists(atPath: litter))
        }
    }

    @Test func `a damaged blob counts as absent when it is written again`() async throws {
        try await withTemporaryFolder { folder in
            let layout = try await Layout.create(folder, surroundings: .ofThisMachine)
            let target = layout.target(try RepositoryName("app"))
            let image = try await SeededImages.push(to: target, seed: 1, tags: [.latest])
            let layer = image.children[1]
            let path = folder + "/blobs/sha256/" + layer.digest.hex
            try "short".write(toFile: path, atomically: false, encoding: .utf8)
            #expect(try await target.contains(layer) == false)
            try await SeededImages.push(to: target, seed: 1, tags: [.latest])
            #expect(try await layout.verify().isSound)
        }
    }

    @Test func `deleting takes away what no other image needs`() async throws {
        try await withTemporaryFolder { folder in
            let layout = try await Layout.create(folder, surroundings: .ofThisMachine)
            let (one, two) = (try RepositoryName("one"), try RepositoryName("two"))
            let image = try await SeededImages.push(to: layout.target(one), seed: 1, tags: [.latest])
            try await SeededImages.push(to: layout.target(two), seed: 1, tags: [.latest])
            guard let first = layout.target(one) as? any DeletingTarget,
                let second = layout.target(two) as? any DeletingTarget
            else {
                Issue.record("a layout cannot delete")
                return
            }
            let digest = image.descriptor.digest
            #expect(try await first.deleteManifest(digest))
            #expect(try await layout.source(two).resolve(.tag(.latest)).digest == digest)
            await #expect(throws: ArchiveError.self) { _ = try await first.deleteBlob(image.children[0].digest) }
            #expect(try await second.deleteManifest(digest))
            #expect(try await second.deleteManifest(digest) == false)
            #expect(try await first.deleteBlob(image.children[0].digest))
            #expect(try await first.deleteBlob(image.children[0].digest) == false)
        }
    }
}
