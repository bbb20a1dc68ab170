import Foundation
import NIOCore
import OCI
import TestSupport
import Testing

@testable import OCIArchive

struct ArchiveSourceTests {
    private static let names = ["a.tar", "a.tar.gz", "a.tar.zst", "a.tar.xz"]

    /// Copies everything out of an archive into memory, as the engine does it.
    private func restore(_ catalog: any ImageCatalog) async throws -> (MemoryStore, [NamedImage]) {
        let store = MemoryStore()
        let images = try await catalog.images()
        var blobs: [Digest: RepositoryName] = [:]
        var graphs: [(NamedImage, ImageGraph, any ImageSource)] = []
        for image in images {
            let source = try await catalog.source(image.repository)
            let graph = try await ImageGraph.read(image.descriptor, from: source)
            for blob in graph.blobs { blobs[blob.digest] = image.repository }
            graphs.append((image, graph, source))
        }
        if let sequential = catalog as? any SequentialSource {
            let wanted = blobs
            try await sequential.forEachBlob { content in
                guard let repository = wanted[content.descriptor.digest] else { return }
                try await store.target(repository).write(content)
            }
        }
        for (image, graph, source) in graphs {
            let target = await store.target(image.repository)
            if !(catalog is any SequentialSource) {
                for blob in graph.blobs { try await source.read(blob) { try await target.write($0) } }
            }
            for descriptor in graph.manifests {
                try await target.push(
                    try await source.manifest(descriptor),
                    tags: descriptor.digest == image.descriptor.digest ? image.tag.map { [$0] } ?? [] : [])
            }
        }
        return (store, images)
    }

    @Test(arguments: names)
    func `what was put into an archive comes out of it`(_ name: String) async throws {
        let files = MemoryFiles()
        let images = try await ArchiveImages.several(layerSize: 300_000)
        try await images.export(to: try ArchiveTarget(path: name, fileSystem: files), concurrency: 3)
        let catalog = try await openArchive(name, ArchiveOpening(fileSystem: files))
        let (_, found) = try await restore(catalog)
        #expect(found == images.images)
        let signed = try await catalog.source(try RepositoryName("team/signed"))
        let root = try await signed.resolve(.tag(try Tag("1")))
        #expect(try await signed.referrers(of: root.digest).count == 3)
        #expect(try await signed.referrers(of: root.digest).allSatisfy { $0.artifactType != nil })
        #expect(
            try await catalog.repositories().map(\.description) == [
                "other/tool", "team/app", "team/long", "team/multi", "team/signed",
            ])
    }

    @Test func `a restored archive gives the same archive again`() async throws {
        let files = MemoryFiles()
        let images = try await ArchiveImages.several()
        try await images.export(to: try ArchiveTarget(path: "a.tar", fileSystem: files))
        let (store, found) = try await restore(try await openArchive("a.tar", ArchiveOpening(fileSystem: files)))
        let manifests = MemoryManifests()
        var planned: [PlannedImage] = []
        for image in found {
            let source = await store.source(image.repository)
            let graph = try await ImageGraph.read(image.descriptor, from: source)
            for descriptor in graph.manifests { manifests.put(try await source.manifest(descriptor)) }
            planned.append(PlannedImage(image, graph: graph))
        }
        let target = try ArchiveTarget(path: "a.tar", fileSystem: files)
        #expect(try await target.begin(planned) { try manifests.get($0) } == [])
        #expect(target.wasThere)
    }

    @Test(arguments: [("a.tar", 700), ("a.tar.zst", 60)])
    func `a cut archive is refused, or fails before it ends`(_ name: String, _ step: Int) async throws {
        let files = MemoryFiles()
        try await ArchiveImages.one().export(to: try ArchiveTarget(path: name, fileSystem: files))
        let whole = try #require(files[name])
        for end in stride(from: 1, to: whole.count, by: step) {
            files[name] = Array(whole[..<end])
            await #expect("cut at \(end)") {
                _ = try await restore(try await openArchive(name, ArchiveOpening(fileSystem: files)))
            } throws: {
                ($0 as? any Failure)?.kind == .damaged
            }
        }
    }

    @Test func `a blob whose bytes changed is never given out`() async throws {
        let files = MemoryFiles()
        let images = try await ArchiveImages.one(layerSizes: [100_000])
        try await images.export(to: try ArchiveTarget(path: "a.tar", fileSystem: files))
        let layer = try #require(images.planned[0].graph.blobs.last)
        let catalog = try await openArchive("a.tar", ArchiveOpening(fileSystem: files))
        var bytes = try #require(files["a.tar"])
        bytes[bytes.count - 20_000] ^= 1
        files["a.tar"] = bytes
        let source = try await catalog.source(images.images[0].repository)
        await #expect { try await source.read(layer) { try await $0.verify() } } throws: {
            ($0 as? any Failure)?.kind == .damaged && "\($0)".contains("a.tar")
        }
    }

    @Test func `parts of a blob are read from any place`() async throws {
        let files = MemoryFiles()
        let images = try await ArchiveImages.one(layerSizes: [1_500_000])
        try await images.export(to: try ArchiveTarget(path: "a.tar", fileSystem: files))
        let layer = try #require(images.planned[0].graph.blobs.last)
        let catalog = try await openArchive("a.tar", ArchiveOpening(fileSystem: files))
        let source = try #require(try await catalog.source(images.images[0].repository) as? any RandomAccessSource)
        #expect(try await source.blob(layer.digest)?.size == layer.size)
        let whole = SeededBytes.buffer(1_500_000, seed: 1000)
        var part = ByteBuffer()
        try await source.readUnverified(layer, in: 5..<1_200_000) { part.writeImmutableBuffer($0) }
        #expect(part == whole.getSlice(at: 5, length: 1_199_995))
        var prefix = Prefix(.sha256)
        prefix.append(try #require(whole.getSlice(at: 0, length: 1000)))
        let rest = try await source.read(layer, after: prefix) { content in
            var count = 0
            try await content.forEachChunk { count += $0.readableBytes }
            return count
        }
        #expect(rest == 1_499_000)
        let stamp = try await source.stamp(of: layer)
        files["a.tar"] = try #require(files["a.tar"]) + [0]
        #expect(try await source.stamp(of: layer) != stamp)
    }

    @Test func `docker save since 25 is read by its manifest, also where its index is empty`() async throws {
        let path = "google_go-containerregistry/pkg/v1/tarball/testdata/hello-world-v25.tar"
        guard let path = fixture(path) else { return }
        try await withTemporaryFolder { folder in
            var paths = [path]
            if Program.exists("zstd") {
                try await Program.run("zstd", "-q", path, "-o", folder + "/x.tar.zst")
                paths.append(folder + "/x.tar.zst")
            }
            for path in paths {
                let opening = ArchiveOpening(workFolder: folder, defaultRepository: try RepositoryName("given"))
                let catalog = try await openArchive(path, opening)
                #expect((catalog as? ArchiveSource)?.isSealed == false)
                let (_, images) = try await restore(catalog)
                #expect(images.map(\.descriptor.digest.short) == ["sha256:411caf340c82"])
            }
        }
    }

    @Test(arguments: ["hello-world.tar", "hello-world-prefixed-path.tar"])
    func `an index of which some platforms are there says so, and those can be had`(_ name: String) async throws {
        guard let path = fixture("oras-project_oras-go/content/oci/testdata/" + name) else { return }
        let catalog = try await openArchive(path)
        let image = try #require(try await catalog.images().first)
        #expect(image.fullName == "docker.io/library/hello-world:latest")
        let source = try await catalog.source(image.repository)
        await #expect { _ = try await ImageGraph.read(image.descriptor, from: source) } throws: {
            let failure = $0 as? any Failure
            return failure?.kind == .damaged && failure?.advice?.contains("--platform") == true
        }
        let platform = Platform(os: "linux", architecture: "amd64")
        let graph = try await ImageGraph.read(image.descriptor, platforms: [platform], from: source)
        for blob in graph.blobs { try await source.read(blob) { try await $0.verify() } }
        #expect(graph.blobs.count == 2)
    }

    @Test func `an image without a repository needs one to be given`() async throws {
        let digest = Digest(of: Array("x".utf8))
        let index = """
            {"schemaVersion":2,"manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json",\
            "digest":"\(digest)","size":1,"annotations":{"org.opencontainers.image.ref.name":"v1"}}]}
            """
        try await withTemporaryFolder { folder in
            let catalog = try await opened(folder, ["oci-layout": Self.marker, "index.json": index])
            #expect(try await catalog.images().map(\.name) == ["given:v1"])
            await #expect { _ = try await openArchive(folder + "/x.tar") } throws: {
                let failure = $0 as? any Failure
                return failure?.kind == .usage && failure?.advice == "--repository NAME"
            }
        }
    }

    @Test(arguments: [300, 64 << 10])
    func `an archive is written to standard output and read from standard input`(_ chunkSize: Int) async throws {
        let files = MemoryFiles()
        let images = try await ArchiveImages.several(layerSize: 300_000)
        let target = try ArchiveTarget(path: "-", fileSystem: files)
        #expect(target.isSequential)
        try await images.export(to: target, chunkSize: chunkSize)
        try await images.export(to: try ArchiveTarget(path: "a.tar", fileSystem: files))
        #expect(files["standard output"] == files["a.tar"])
        files["standard input"] = files["standard output"]
        let catalog = try await openArchive("-", ArchiveOpening(fileSystem: files))
        #expect(catalog is any SequentialSource)
        let (_, found) = try await restore(catalog)
        #expect(found == images.images)
        #expect(try await ArchiveVerification(path: "-", opening: ArchiveOpening(fileSystem: files)).run().isSound)
    }

    @Test func `what went into a pipe is not written twice`() async throws {
        let files = MemoryFiles()
        let images = try await ArchiveImages.one(layerSizes: [400_000])
        let target = try ArchiveTarget(path: "-", fileSystem: files)
        let blobs = try await images.begin(target)
        try await images.copy(blobs[0], to: target)
        let archive = try target.target(images.images[0].repository)
        let broken = SeededBytes.buffer(400_000, seed: 1000).getSlice(at: 0, length: 250_000)
        await #expect(throws: (any Error).self) {
            try await archive.write(
                Content(blobs[1], from: "a registry that stops") { send in
                    var rest = try #require(broken)
                    while let chunk = rest.readSlice(length: 1000) { try await send(chunk) }
                })
        }
        try await images.copy(blobs[1], to: target)
        try await target.commit()
        try await images.export(to: try ArchiveTarget(path: "a.tar", fileSystem: files))
        #expect(files["standard output"] == files["a.tar"])
    }

    @Test(arguments: [nil, "zstd", "gzip", "xz"])
    func `a foreign archive from a pipe is read through a file without a name`(_ filter: String?) async throws {
        guard let path = fixture("oras-project_oras-go/content/oci/testdata/hello-world.tar") else { return }
        if let filter, !Program.exists(filter) { return }
        try await withTemporaryFolder { folder in
            try writeFile(folder + "/x.tar", try readFile(path))
            let suffix = ["zstd": ".zst", "gzip": ".gz", "xz": ".xz"]
            if let filter { try await Program.run(filter, "-q", folder + "/x.tar") }
            let files = MemoryFiles()
            files["standard input"] = try readFile(folder + "/x.tar" + (filter.flatMap { suffix[$0] } ?? ""))
            let catalog = try await openArchive("-", ArchiveOpening(fileSystem: files))
            #expect(try await catalog.images().map(\.name) == ["library/hello-world:latest"])
        }
    }

    @Test func `a folder, a device, a pipe and nothing are told apart from archives at once`() async throws {
        try await withTemporaryFolder { folder in
            try await Program.run("mkfifo", folder + "/pipe")
            try writeFile(folder + "/empty.tar", [])
            for (path, kind) in [
                (folder, FailureKind.usage), ("/dev/zero", .usage), (folder + "/pipe", .usage),
                (folder + "/absent.tar", .notFound), (folder + "/empty.tar", .damaged), ("/proc/self/status", .damaged),
            ] {
                await #expect("\(path)") { _ = try await openArchive(path) } throws: {
                    ($0 as? any Failure)?.kind == kind
                }
            }
        }
    }

    /// Tars with the entries given, by GNU tar.
    private func opened(
        _ folder: String, _ entries: [String: String], extra: [String] = []
    ) async throws -> any ImageCatalog {
        for (name, text) in entries {
            try await LocalFileSystem().createFolder(parentFolder(of: folder + "/in/" + name))
            try writeFile(folder + "/in/" + name, Array(text.utf8))
        }
        let result = try await Program.run(
            "tar", ["-cPf", folder + "/x.tar", "-C", folder + "/in"] + extra + entries.keys.sorted())
        #expect(result.status == 0, "\(result.errors)")
        return try await openArchive(
            folder + "/x.tar", ArchiveOpening(defaultRepository: try RepositoryName("given")))
    }

    private static let marker = #"{"imageLayoutVersion":"1.0.0"}"#
    private static let noImages = #"{"schemaVersion":2,"manifests":[]}"#

    @Test(
        arguments: [
            ([:], "neither oci-layout nor manifest.json"),
            (["oci-layout": marker], "has no index.json"),
            (["oci-layout": "{}", "index.json": noImages], "has no imageLayoutVersion"),
            (["oci-layout": #"{"imageLayoutVersion":"2.0.0"}"#, "index.json": noImages], "want 1.0.0"),
            (["oci-layout": "x", "index.json": noImages], "not valid JSON"),
            (["oci-layout": marker, "index.json": ""], "is empty"),
            (["oci-layout": marker, "index.json": #"{"schemaVersion":2,"manifests":null}"#], "null"),
            (["oci-layout": marker, "index.json": "\u{feff}" + noImages], "byte order mark"),
            (
                ["oci-layout": marker, "index.json": #"{"schemaVersion":2,"manifests":[],"manifests":[]}"#],
                "stands twice"
            ),
            (["oci-layout": marker, "index.json": String(repeating: "[", count: 100_000)], "nested deeper"),
        ] as [([String: String], String)])
    func `a layout with a wrong part says which`(_ entries: [String: String], _ reason: String) async throws {
        try await withTemporaryFolder { folder in
            let entries = entries.merging(["blobs/sha256/other": "x"]) { $1 }
            await #expect("\(reason)") { _ = try await opened(folder, entries) } throws: {
                ($0 as? any Failure)?.kind == .damaged && "\($0)".contains(reason)
            }
        }
    }

    @Test func `names that lead elsewhere and links are refused, other names are passed over`() async throws {
        let layout = ["oci-layout": Self.marker, "index.json": Self.noImages]
        try await withTemporaryFolder { folder in
            let catalog = try await opened(folder, layout.merging(["README": "x", "._x": "x"]) { $1 })
            #expect((catalog as? ArchiveSource)?.notes == ["passed over 'README'"])
        }
        for extra in [["../in/oci-layout"], ["--transform", "s,index.json,/index.json,"]] {
            try await withTemporaryFolder { folder -> Void in
                await #expect("\(extra)") { _ = try await opened(folder, layout, extra: extra) } throws: {
                    ($0 as? any Failure)?.kind == .policy
                }
            }
        }
        try await withTemporaryFolder { folder in
            try await LocalFileSystem().createFolder(folder + "/in")
            try await Program.run("ln", "-s", "/etc/passwd", folder + "/in/link")
            await #expect { _ = try await opened(folder, layout, extra: ["link"]) } throws: {
                ($0 as? any Failure)?.kind == .policy
            }
        }
    }

    @Test func `a file that stands twice is refused`() async throws {
        try await withTemporaryFolder { folder in
            let layout = ["oci-layout": Self.marker, "index.json": Self.noImages]
            await #expect {
                _ = try await opened(folder, layout, extra: ["--hard-dereference", "oci-layout"])
            } throws: {
                ($0 as? any Failure)?.kind == .damaged && "\($0)".contains("two entries")
            }
        }
    }

    @Test func `a newer format is not guessed at`() async throws {
        let files = MemoryFiles()
        try await ArchiveImages.one().export(to: try ArchiveTarget(path: "a.tar", fileSystem: files))
        let bytes = try #require(files["a.tar"])
        let text = Array(#""version":1}"#.utf8)
        var changed = bytes
        let place = try #require(bytes.indices.first { bytes[$0...].starts(with: text) })
        changed[place + 10] = UInt8(ascii: "3")
        files["a.tar"] = changed
        await #expect { _ = try await openArchive("a.tar", ArchiveOpening(fileSystem: files)) } throws: {
            let failure = $0 as? any Failure
            return failure?.kind == .damaged && failure?.advice == "read it with a newer Lifeboat"
        }
    }
}
