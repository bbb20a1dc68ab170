import NIOCore
import OCI
import OCIArchive
import Synchronization
import TestSupport
import Testing

/// What refers to what in a folder: found out with few reads and little memory, and no image of its own.
struct LayoutReferrerTests {
    /// The files of this machine, with a count of how often each blob was opened.
    private struct CountedFiles: FileSystem {
        final class Counts: Sendable { let opened = Mutex<[String: Int]>([:]) }

        let counts = Counts()
        private let files = LocalFileSystem()

        func open(_ path: String, _ mode: OpenMode) async throws -> any File {
            if mode == .read, path.contains("/blobs/") { counts.opened.withLock { $0[path, default: 0] += 1 } }
            return try await files.open(path, mode)
        }

        func status(_ path: String, followLinks: Bool) async throws -> FileStatus? {
            try await files.status(path, followLinks: followLinks)
        }

        func list(_ path: String) async throws -> [String] { try await files.list(path) }
        func createFolder(_ path: String) async throws { try await files.createFolder(path) }
        func rename(_ from: String, to: String) async throws { try await files.rename(from, to: to) }
        func remove(_ path: String) async throws { try await files.remove(path) }
        func syncFolder(_ path: String) async throws { try await files.syncFolder(path) }
        func standardInput() async throws -> any File { try await files.standardInput() }
        func standardOutput() async throws -> any File { try await files.standardOutput() }
        func freeSpace(_ path: String) async throws -> Int64 { try await files.freeSpace(path) }
    }

    private let name: RepositoryName
    private let absent = Digest(of: ByteBuffer(string: "nobody"))

    init() throws { name = try RepositoryName("app") }

    @Test func `an index that lists a child twice, level over level, is read once a level`() async throws {
        try await withTemporaryFolder { folder in
            let layout = try await Layout.create(folder, surroundings: .ofThisMachine)
            var top = try await SeededImages.push(to: layout.target(name), seed: 1, layerSizes: [10])
            for level in 1...30 {
                top = try Manifest(
                    SeededImages.index([top.descriptor, top.descriptor], annotations: ["level": "\(level)"]),
                    mediaType: .ociIndex, from: "test")
                try await layout.target(name).push(top, tags: level == 30 ? [.latest] : [])
            }
            let files = CountedFiles()
            let again = try await Layout.open(folder, surroundings: .ofThisMachine, files: files)
            #expect(try await again.source(name).referrers(of: absent) == [])
            let opened = files.counts.opened.withLock { $0 }
            #expect(opened.count == 31)
            #expect(opened.values.allSatisfy { $0 == 1 }, "\(opened)")
            let graph = try await ImageGraph.read(top.descriptor, from: again.source(name))
            #expect(graph.manifests.count == 31)
            #expect(files.counts.opened.withLock { $0.values.max() } == 2)
            #expect(try await again.verify().isSound)
        }
    }

    @Test func `callers at the same time share one reading`() async throws {
        try await withTemporaryFolder { folder in
            let layout = try await Layout.create(folder, surroundings: .ofThisMachine)
            let target = layout.target(name)
            for seed in 1...20 as ClosedRange<UInt64> {
                try await SeededImages.push(to: target, seed: seed, layerSizes: [10], tags: [try Tag("t\(seed)")])
            }
            let files = CountedFiles()
            let again = try await Layout.open(folder, surroundings: .ofThisMachine, files: files)
            let (source, absent) = (again.source(name), absent)
            try await forEach(0..<17, limit: 17) { _ in _ = try await source.referrers(of: absent) }
            #expect(files.counts.opened.withLock { $0.values.max() } == 1)
            #expect(files.counts.opened.withLock { $0.count } == 20)
        }
    }

    @Test func `what refers to an image of the folder is no image of its own`() async throws {
        try await withTemporaryFolder { folder in
            let layout = try await Layout.create(folder, surroundings: .ofThisMachine)
            let target = layout.target(name)
            let image = try await SeededImages.push(to: target, seed: 1, tags: [.latest])
            let signature = try await SeededImages.push(to: target, seed: 2, subject: image.descriptor)
            let countersigned = try await SeededImages.push(to: target, seed: 3, subject: signature.descriptor)
            var elsewhere = image.descriptor
            elsewhere.digest = absent
            let orphan = try await SeededImages.push(to: target, seed: 4, subject: elsewhere)
            let again = try await Layout.open(folder, surroundings: .ofThisMachine)
            #expect(
                try await again.images().map(\.descriptor.digest).sorted()
                    == [image.descriptor.digest, orphan.descriptor.digest].sorted())
            let source = again.source(name)
            #expect(
                try await source.referrers(of: image.descriptor.digest).map(\.digest) == [signature.descriptor.digest])
            #expect(
                try await source.referrers(of: signature.descriptor.digest).map(\.digest)
                    == [countersigned.descriptor.digest])
            guard Program.exists("tar") else { return }
            try await Program.run("tar", "-cf", folder + "/x.tar", "-C", folder, "oci-layout", "index.json", "blobs")
            let inTar = try await openArchive(folder + "/x.tar").images().map(\.name)
            #expect(try await again.images().map(\.name) == inTar)
        }
    }

    @Test func `a name that is none is reported as such`() async throws {
        try await withTemporaryFolder { folder in
            let layout = try await Layout.create(folder, surroundings: .ofThisMachine)
            try await SeededImages.push(to: layout.target(name), seed: 1, tags: [.latest])
            let list = try String(decoding: readFile(folder + "/index.json"), as: UTF8.self)
            for (reference, words) in [
                ("team/App", "'team/App', which is not the name of an image"), ("1", "'1' belongs"),
            ] {
                try writeFile(folder + "/index.json", Array(list.replacing("app:latest", with: reference).utf8))
                let errors = [
                    await #expect(throws: ArchiveError.self) {
                        _ = try await Layout.open(folder, surroundings: .ofThisMachine).images()
                    },
                    await #expect(throws: ArchiveError.self) {
                        try await Program.run(
                            "tar", "-cf", folder + "/x.tar", "-C", folder, "oci-layout", "index.json", "blobs")
                        _ = try await openArchive(folder + "/x.tar")
                    },
                ]
                for error in errors {
                    #expect(error?.kind == .usage)
                    #expect(error?.description.contains(words) == true, "\(error?.description ?? "")")
                    #expect(error?.advice?.hasPrefix("--repository NAME") == true)
                }
            }
        }
    }
}
