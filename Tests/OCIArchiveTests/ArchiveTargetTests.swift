import Glibc
import NIOCore
import OCI
import OCIArchive
import TestSupport
import Testing

struct ArchiveTargetTests {
    @Test(arguments: ["a.tar", "a.tar.gz", "a.tar.zst", "a.tar.xz"])
    func `the same images give the same bytes, whatever the order, the chunks and the concurrency`(_ name: String)
        async throws
    {
        let images = try await ArchiveImages.several(layerSize: 700_000)
        var first: [UInt8]?
        for (concurrency, seed, chunkSize) in [(1, nil, 64 << 10), (4, 11, 1000), (8, 5, 1 << 20)]
            as [(Int, UInt64?, Int)]
        {
            let files = MemoryFiles()
            let target = try ArchiveTarget(path: name, fileSystem: files)
            try await images.export(to: target, concurrency: concurrency, seed: seed, chunkSize: chunkSize)
            #expect(files.names == [name])
            let bytes = try #require(files[name])
            if let first { #expect(bytes == first) } else { first = bytes }
            if target.format == .plain { #expect(bytes.count % 512 == 0) }
            let report = try await ArchiveVerification(path: name, opening: ArchiveOpening(fileSystem: files)).run()
            #expect(report.findings == [])
            #expect(report.isSealed)
            #expect(report.imageCount == 6)
        }
    }

    @Test func `the final name appears only after data and seal were synced`() async throws {
        let files = MemoryFiles()
        try await ArchiveImages.one().export(to: try ArchiveTarget(path: "a.tar", fileSystem: files))
        let order = files.operations.suffix(5)
        #expect(
            Array(order) == [
                "sync a.tar.partial", "write a.tar.partial", "sync a.tar.partial", "rename a.tar", "sync folder .",
            ])
    }

    @Test(arguments: ["a.tar", "a.tar.zst"])
    func `a damaged blob never completes an archive`(_ name: String) async throws {
        let files = MemoryFiles()
        let images = try await ArchiveImages.one(layerSizes: [2_000_000])
        let target = try ArchiveTarget(path: name, fileSystem: files)
        let blobs = try await images.begin(target)
        let layer = try #require(blobs.last)
        for blob in blobs.dropLast() { try await images.copy(blob, to: target) }
        let archive = try target.target(images.images[0].repository)
        let wrong = SeededBytes.buffer(Int(layer.size), seed: 99)
        await #expect { try await archive.write(Content(wrong, as: layer, from: "elsewhere")) } throws: {
            ($0 as? any Failure)?.kind == .damaged
        }
        await #expect { try await target.commit() } throws: { "\($0)".contains("1 blobs are missing") }
        #expect(files[name] == nil)
        try await images.copy(layer, to: target)
        try await target.commit()
        let report = try await ArchiveVerification(path: name, opening: ArchiveOpening(fileSystem: files)).run()
        #expect(report.isSound)
    }

    @Test func `an interrupted run is taken up where its bytes are right`() async throws {
        let files = MemoryFiles()
        let images = try await ArchiveImages.several()
        let first = try ArchiveTarget(path: "a.tar", fileSystem: files)
        let blobs = try await images.begin(first)
        for blob in blobs.prefix(5) { try await images.copy(blob, to: first) }
        await first.abort()
        #expect(files.names == ["a.tar.partial"])
        // One of the five rots before the second run.
        var changed = try #require(files["a.tar.partial"])
        let rotten = try #require(blobs.prefix(5).last { $0.size > 0 })
        let place = try #require(Self.offset(of: rotten, in: changed))
        changed[place] ^= 1
        files["a.tar.partial"] = changed

        let second = try ArchiveTarget(path: "a.tar", fileSystem: files)
        #expect(try await images.begin(second) == blobs)
        let archive = try second.target(images.images[0].repository)
        var there: [Digest] = []
        for blob in blobs where try await archive.contains(blob) { there.append(blob.digest) }
        #expect(there == blobs.prefix(5).map(\.digest).filter { $0 != rotten.digest })
        for blob in blobs { try await images.copy(blob, to: second) }
        try await second.commit()

        let other = MemoryFiles()
        try await images.export(to: try ArchiveTarget(path: "a.tar", fileSystem: other))
        #expect(files["a.tar"] == other["a.tar"])
    }

    /// Where the content of a blob begins: behind the only header with its name.
    private static func offset(of blob: Descriptor, in bytes: [UInt8]) -> Int? {
        let name = Array("blobs/sha256/\(blob.digest.hex)\0".utf8)
        return stride(from: 0, to: bytes.count, by: 512).first { bytes[$0...].starts(with: name) }.map { $0 + 512 }
    }

    @Test func `what is left of other images is overwritten`() async throws {
        let files = MemoryFiles()
        files["a.tar.partial"] = Array(SeededBytes.buffer(100_000, seed: 5).readableBytesView)
        let images = try await ArchiveImages.one()
        try await images.export(to: try ArchiveTarget(path: "a.tar", fileSystem: files))
        let other = MemoryFiles()
        try await images.export(to: try ArchiveTarget(path: "a.tar", fileSystem: other))
        #expect(files["a.tar"] == other["a.tar"])
    }

    @Test func `an archive that is there already is verified and kept`() async throws {
        let files = MemoryFiles()
        let images = try await ArchiveImages.one()
        try await images.export(to: try ArchiveTarget(path: "a.tar", fileSystem: files))
        let target = try ArchiveTarget(path: "a.tar", fileSystem: files)
        #expect(try await images.begin(target) == [])
        #expect(target.wasThere)
        try await target.commit()
        #expect(files.names == ["a.tar"])

        var damaged = try #require(files["a.tar"])
        damaged[damaged.count - 3000] ^= 4
        files["a.tar"] = damaged
        let again = try ArchiveTarget(path: "a.tar", fileSystem: files)
        try await images.export(to: again)
        #expect(!again.wasThere)
        #expect(try await ArchiveVerification(path: "a.tar", opening: ArchiveOpening(fileSystem: files)).run().isSound)
    }

    @Test func `another file under the name is a conflict unless it may be replaced`() async throws {
        let files = MemoryFiles()
        files["a.tar"] = Array("something else".utf8)
        let images = try await ArchiveImages.one()
        await #expect { try await images.export(to: try ArchiveTarget(path: "a.tar", fileSystem: files)) } throws: {
            let failure = $0 as? any Failure
            return failure?.kind == .conflict && failure?.advice?.contains("--force") == true
        }
        #expect(files["a.tar"] == Array("something else".utf8))
        try await images.export(to: try ArchiveTarget(path: "a.tar", fileSystem: files, replace: true))
        #expect(try await ArchiveVerification(path: "a.tar", opening: ArchiveOpening(fileSystem: files)).run().isSound)
    }

    @Test func `a second run on the same archive is told that it is locked`() async throws {
        let files = MemoryFiles()
        let images = try await ArchiveImages.one()
        let first = try ArchiveTarget(path: "a.tar", fileSystem: files)
        _ = try await images.begin(first)
        await #expect { _ = try await images.begin(try ArchiveTarget(path: "a.tar", fileSystem: files)) } throws: {
            ($0 as? any Failure)?.kind == .locked
        }
        await first.abort()
    }

    @Test func `too little space is found before anything is written`() async throws {
        let files = MemoryFiles(space: 1000)
        let images = try await ArchiveImages.one()
        await #expect { _ = try await images.begin(try ArchiveTarget(path: "a.tar", fileSystem: files)) } throws: {
            ($0 as? any Failure)?.kind == .local && "\($0)".contains("1000 are free")
        }
        #expect(files.names == [])
    }

    @Test func `a file that appears under the name in the meantime is not replaced`() async throws {
        let files = MemoryFiles()
        let images = try await ArchiveImages.one()
        let target = try ArchiveTarget(path: "a.tar", fileSystem: files)
        for blob in try await images.begin(target) { try await images.copy(blob, to: target) }
        files["a.tar"] = Array("somebody else's".utf8)
        await #expect { try await target.commit() } throws: { ($0 as? any Failure)?.kind == .conflict }
        await target.abort()
        #expect(files["a.tar"] == Array("somebody else's".utf8))
        files["a.tar"] = nil
        let again = try ArchiveTarget(path: "a.tar", fileSystem: files)
        for blob in try await images.begin(again) {
            #expect(try await again.target(images.images[0].repository).contains(blob))
        }
        try await again.commit()
        #expect(files.names == ["a.tar"])
    }

    @Test(arguments: ["reserve", "write", "sync", "rename", "sync folder"], ["a.tar", "a.tar.gz"])
    func `a full disk leaves nothing at the final name`(_ operation: String, _ name: String) async throws {
        let files = MemoryFiles { action, _ in action == operation ? ENOSPC : nil }
        let images = try await ArchiveImages.one()
        if operation == "reserve", name != "a.tar" { return }
        await #expect { try await images.export(to: try ArchiveTarget(path: name, fileSystem: files)) } throws: {
            ($0 as? any Failure)?.kind == .local
        }
        // After the rename the archive is complete, only its name is not known to last.
        #expect((files[name] == nil) == (operation != "sync folder"))
    }

    @Test func `a name without a known suffix, and a folder, are usage errors`() async throws {
        #expect { _ = try ArchiveTarget(path: "images.zip") } throws: { ($0 as? any Failure)?.kind == .usage }
        try await withTemporaryFolder { folder in
            let images = try await ArchiveImages.one()
            await #expect { _ = try await images.begin(try ArchiveTarget(path: folder, format: .plain)) } throws: {
                ($0 as? any Failure)?.kind == .usage && "\($0)".contains("is a folder")
            }
        }
    }

    @Test func `one name for two images is refused`() async throws {
        var images = try await ArchiveImages.one()
        try await images.add("app:1", seed: 2, layerSizes: [10])
        await #expect {
            _ = try await images.begin(try ArchiveTarget(path: "a.tar", fileSystem: MemoryFiles()))
        } throws: {
            "\($0)".contains("registry.example.com/app:1 stands for two images")
        }
    }
}
