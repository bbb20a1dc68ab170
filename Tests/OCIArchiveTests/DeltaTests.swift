import OCI
import TestSupport
import Testing

@testable import OCIArchive

/// Archives that build on another one.
@Suite struct DeltaTests {
    private let files = MemoryFiles()
    private var opening: ArchiveOpening { ArchiveOpening(fileSystem: files) }

    /// `full.tar` with several images; then one is new, one moved, one gone, the others as they were.
    private func night() async throws -> (before: ArchiveImages, after: ArchiveImages) {
        let before = try await ArchiveImages.several()
        var after = ArchiveImages()
        try await after.add("team/app:1", seed: 1, layerSizes: [50_000, 20_000])
        try await after.add("team/app:2", seed: 1, layerSizes: [50_000, 20_000, 700])
        try await after.add("team/new:1", seed: 40, layerSizes: [3000])
        try await after.addSigned("team/signed:1", seed: 4)
        try await after.addIndex("team/multi:latest", seeds: [5, 41])
        try await before.export(to: try ArchiveTarget(path: "full.tar", fileSystem: files))
        return (before, after)
    }

    private func delta(_ images: ArchiveImages, on base: String, to path: String) async throws {
        let contents = try await BaseContents.read(base, opening)
        try await images.export(to: try ArchiveTarget(path: path, fileSystem: files, since: contents))
    }

    /// Every manifest and blob of every image, read from an archive.
    private func read(_ images: ArchiveImages, from catalog: any ImageCatalog) async throws {
        for planned in images.planned {
            let source = try await catalog.source(planned.image.repository)
            if let tag = planned.image.tag {
                #expect(try await source.resolve(.tag(tag)).digest == planned.image.descriptor.digest)
            }
            for manifest in planned.graph.manifests {
                #expect(try await source.manifest(manifest).bytes == images.manifest(manifest.digest).bytes)
            }
            for blob in planned.graph.blobs {
                try await source.read(blob) { try await $0.verify() }
            }
        }
    }

    @Test(arguments: ["delta.tar", "delta.tar.zst"])
    func `a delta holds what its base lacks, and the two are all of it`(_ name: String) async throws {
        let (before, after) = try await night()
        try await delta(after, on: "full.tar", to: name)
        let report = try await ArchiveVerification(path: name, opening: opening).run()
        #expect(report.findings == [])
        #expect(report.lineage.base?.name == "full.tar")
        #expect(report.imageCount == 5)
        let known = Set(before.planned.flatMap(\.graph.blobs).map(\.digest))
        let added = Set(after.planned.flatMap(\.graph.blobs)).filter { !known.contains($0.digest) }
        let part = try #require(ArchivePart(try await openFile(name, opening)))
        #expect(Set(part.map.blobs.filter { $0.role != .manifest }.map(\.digest)) == Set(added.map(\.digest)))
        #expect(
            report.notes.contains {
                $0.hasPrefix("a delta: it builds on full.tar (\(report.lineage.base?.id.description ?? "")")
            })
        guard name == "delta.tar" else { return }
        let catalog = try await openArchive(name, opening)
        let linked = try #require(catalog as? any LinkedArchive)
        #expect(try await linked.images() == after.images.map(\.bare))
        let whole = try await linked.building(on: [try await openArchive("full.tar", opening)])
        try await read(after, from: whole)
        #expect(try await whole.images().allSatisfy { whole.lack(of: $0) == nil })
    }

    @Test func `what needs the base says which it is, and what to do`() async throws {
        let (_, after) = try await night()
        try await delta(after, on: "full.tar", to: "delta.tar")
        let linked = try #require(try await openArchive("delta.tar", opening) as? any LinkedArchive)
        let id = try #require(linked.lineage.base?.id)
        let lacking = try await linked.images().filter { linked.lack(of: $0) != nil }.map(\.name)
        #expect(lacking == ["team/app:1", "team/app:2", "team/multi:latest", "team/signed:1"])
        let source = try await linked.source(RepositoryName("team/app"))
        let old = try #require(after.planned[0].graph.blobs.last)
        await #expect { try await source.read(old) { try await $0.verify() } } throws: {
            let failure = $0 as? any Failure
            return failure?.kind == .notFound
                && failure?.description.hasPrefix("delta.tar builds on full.tar (\(id), of 1970-01-01T00:00:00Z)")
                    == true
                && failure?.advice == "import full.tar first, or give it too: --base full.tar"
        }
        // An archive that is not it, and does not have the blob either.
        try await ArchiveImages.one().export(to: try ArchiveTarget(path: "other.tar", fileSystem: files))
        let wrong = try await linked.building(on: [try await openArchive("other.tar", opening)])
        let repository = try await wrong.source(RepositoryName("team/app"))
        await #expect { try await repository.read(old) { try await $0.verify() } } throws: {
            "\($0)".contains("something of it that other.tar does not have")
        }
    }

    @Test func `images whose layers are all new are complete in the delta, for other tools too`() async throws {
        let (_, after) = try await night()
        try await delta(after, on: "full.tar", to: "delta.tar")
        let bytes = try #require(files["delta.tar"])
        let entries = try await TarReader.entries(of: try await files.open("delta.tar", .read))
        let index = try #require(entries.first { $0.name == "index.json" })
        let text = String(
            decoding: bytes[Int(index.contentOffset)..<Int(index.contentOffset + index.size)], as: UTF8.self)
        let json = try JSONValue(parsing: Array(text.utf8), in: "index")
        #expect(try json["manifests"]?.array("manifests").count == 1)
        #expect(text.contains("team/new:1"))
    }

    @Test func `a night without changes is a delta without blobs`() async throws {
        let (before, _) = try await night()
        try await delta(before, on: "full.tar", to: "delta.tar")
        let part = try #require(ArchivePart(try await openFile("delta.tar", opening)))
        #expect(part.map.blobs == [])
        #expect(try await ArchiveVerification(path: "delta.tar", opening: opening).run().findings == [])
        // The whole that both make has the id that the full archive has.
        var whole = part.map.contents
        whole.lineage.base = nil
        whole.needs = []
        for number in whole.blobs.indices { whole.blobs[number].isInBase = false }
        whole.files = ArchivePlan.files(of: whole)
        #expect(Digest(of: whole.encoded()) == part.map.contents.lineage.base?.id)
    }

    @Test func `a delta builds on a delta, and on contents that were taken out of the tar`() async throws {
        let (_, after) = try await night()
        try await delta(after, on: "full.tar", to: "one.tar")
        let bytes = try #require(files["one.tar"])
        let entries = try await TarReader.entries(of: try await files.open("one.tar", .read))
        let contents = try #require(entries.first { $0.name == "lifeboat/contents" })
        files["contents"] = Array(bytes[Int(contents.contentOffset)..<Int(contents.contentOffset + contents.size)])
        var third = after
        try await third.add("team/third:1", seed: 60, layerSizes: [4000])
        try await delta(third, on: "one.tar", to: "two.tar")
        try await delta(third, on: "contents", to: "again.tar")
        let two = try #require(try await openArchive("two.tar", opening) as? any LinkedArchive)
        let again = try #require(try await openArchive("again.tar", opening) as? any LinkedArchive)
        #expect(two.lineage.base?.id == again.lineage.base?.id)
        #expect(try #require(ArchivePart(try await openFile("two.tar", opening))).map.blobs.count == 3)
        let one = try await openArchive("one.tar", opening)
        try await read(third, from: try await two.building(on: [one, try await openArchive("full.tar", opening)]))
    }

    @Test func `the same images on the same base are the same bytes`() async throws {
        let (_, after) = try await night()
        let contents = try await BaseContents.read("full.tar", opening)
        for (name, concurrency, seed) in [("a.tar", 1, nil), ("b.tar", 8, 5)] as [(String, Int, UInt64?)] {
            try await after.export(
                to: try ArchiveTarget(path: name, fileSystem: files, since: contents), concurrency: concurrency,
                seed: seed)
        }
        #expect(files["a.tar"] == files["b.tar"])
    }

    /// One byte in 13, all of them at full scale.
    @Test func `a flipped bit anywhere in a delta is found`() async throws {
        var before = ArchiveImages()
        try await before.add("app:1", seed: 1, layerSizes: [100])
        var after = ArchiveImages()
        try await after.add("app:1", seed: 1, layerSizes: [100])
        try await after.add("app:2", seed: 1, layerSizes: [100, 50])
        try await before.export(to: try ArchiveTarget(path: "full.tar", fileSystem: files))
        try await delta(after, on: "full.tar", to: "delta.tar")
        let sound = try #require(files["delta.tar"])
        for offset in Scale.some(sound.indices, of: 13) {
            var changed = sound
            changed[offset] ^= 1 << UInt8(offset % 8)
            files["flipped.tar"] = changed
            let report = try await ArchiveVerification(path: "flipped.tar", opening: opening).run()
            #expect(!report.isSound, "byte \(offset)")
        }
    }

    @Test func `an archive of others, and a format to come, are no base`() async throws {
        files["contents"] = Array("{\"kind\":\"delta\",\"record\":\"archive\",\"version\":3}\n".utf8)
        await #expect { try await BaseContents.read("contents", opening) } throws: {
            ($0 as? any Failure)?.kind == .damaged && "\($0)".contains("format version 3")
                && ($0 as? any Failure)?.advice == "read it with a newer Lifeboat"
        }
        await #expect { try await BaseContents.read("nothing.tar", opening) } throws: {
            ($0 as? any Failure)?.kind == .notFound
        }
    }
}
