import Foundation
import Glibc
import NIOCore
import OCI
import Synchronization
import TestSupport
import Testing

@testable import OCIArchive

/// A repaired archive has the bytes that it had when it was whole, and nothing was fetched but what it lacked (S1).
struct ArchiveRepairTests {
    private static let name = "a.tar"

    private func archive(
        _ name: String = name, layerSize: Int = 5000
    ) async throws -> (images: ArchiveImages, bytes: [UInt8]) {
        let images = try await ArchiveImages.several(layerSize: layerSize)
        let files = MemoryFiles()
        try await images.export(to: try ArchiveTarget(path: name, fileSystem: files))
        return (images, try #require(files[name]))
    }

    private func repair(
        _ damaged: [UInt8], from origins: [any SourceStore], _ name: String = name, _ files: MemoryFiles = MemoryFiles()
    ) async throws -> (report: ArchiveRepairReport, bytes: [UInt8]) {
        files[name] = damaged
        let report = try await ArchiveRepair(
            path: name, from: origins, opening: ArchiveOpening(fileSystem: files)
        ).run()
        return (report, try #require(files[name]))
    }

    private func map(_ bytes: [UInt8]) async throws -> ArchiveMap {
        let files = MemoryFiles()
        files["x"] = bytes
        let file = try await files.open("x", .read)
        return try #require(try await ContentsSearch.map(in: FileStream(file, after: nil, isPipe: false), archive: "x"))
    }

    @Test func `each blob that is damaged is fetched, it alone, and the bytes are the original ones`() async throws {
        let (images, whole) = try await archive()
        let map = try await map(whole)
        for (slot, blob) in zip(map.slots, map.blobs) where blob.size > 0 {
            var damaged = whole
            damaged[Int(slot.contentOffset + slot.size / 2)] ^= 0x10
            let (report, bytes) = try await repair(damaged, from: [images.store])
            #expect(report.isRepaired)
            #expect(report.fetched == [blob.digest])
            #expect(report.bytesFetched == blob.size)
            #expect(bytes == whole, "\(blob.digest)")
        }
    }

    @Test func `headers, padding, front, seal and contents are written anew, and nothing is fetched`() async throws {
        let (_, whole) = try await archive()
        let map = try await map(whole)
        var places: [Int64] = []
        for slot in map.front + map.slots + [map.seal] {
            places += [slot.headerOffset + 1, slot.headerOffset + 130, slot.headerOffset + 150]
            if slot.contentOffset + slot.size < slot.end { places.append(slot.end - 1) }
        }
        // Two in each of the three files of the front and the seal; and the zeros at the end.
        for slot in map.front + [map.seal] { places += [slot.contentOffset + 3, slot.contentOffset + slot.size - 9] }
        places.append(map.end + 700)
        for place in places {
            var damaged = whole
            damaged[Int(place)] ^= 1
            let (report, bytes) = try await repair(damaged, from: [])
            #expect(report.isRepaired && report.fetched.isEmpty, "byte \(place)")
            #expect(bytes == whole, "byte \(place)")
        }
    }

    @Test func `what is cut off is fetched`() async throws {
        let (images, whole) = try await archive()
        let map = try await map(whole)
        for number in map.slots.indices {
            let (report, bytes) = try await repair(
                Array(whole[..<Int(map.slots[number].headerOffset)]), from: [images.store])
            #expect(report.isRepaired)
            #expect(Set(report.fetched) == Set(map.blobs[number...].filter { $0.size > 0 }.map(\.digest)))
            #expect(bytes == whole)
        }
    }

    @Test(arguments: ["a.tar.gz", "a.tar.zst", "a.tar.xz"])
    func `a compressed archive is made whole from what stands before the damage`(_ name: String) async throws {
        // libarchive gives nothing of the 128 KiB before a damaged place in zstd.
        let (images, whole) = try await archive(name, layerSize: 400_000)
        for place in stride(from: whole.count - 3, to: 300_000, by: -(whole.count / 9)) {
            var damaged = whole
            damaged[place] ^= 0x40
            let found = try await repair(damaged, from: [images.store], name)
            #expect(found.bytes == whole, "byte \(place)")
            // Some bytes of a frame's header mean nothing.
            if !found.report.found.isSound { #expect(found.report.isRepaired, "byte \(place)") }
            let cut = try await repair(Array(whole[..<place]), from: [images.store], name)
            #expect(cut.report.isRepaired && cut.bytes == whole, "cut at \(place)")
        }
    }

    @Test func `another archive is a source, plain or compressed`() async throws {
        let (images, whole) = try await archive()
        let map = try await map(whole)
        var damaged = whole
        for (slot, blob) in zip(map.slots, map.blobs) where blob.role != .manifest && blob.size > 0 {
            damaged[Int(slot.contentOffset)] ^= 1
        }
        for name in ["other.tar", "other.tar.zst"] {
            let files = MemoryFiles()
            try await images.export(to: try ArchiveTarget(path: name, fileSystem: files))
            let other = try await openArchive(name, ArchiveOpening(fileSystem: files))
            let (report, bytes) = try await repair(damaged, from: [other])
            #expect(report.isRepaired && bytes == whole, "\(name)")
        }
    }

    @Test func `a list of contents beyond repair is taken from a copy of the same archive, and from no other`()
        async throws
    {
        let (images, whole) = try await archive()
        let map = try await map(whole)
        var damaged = whole
        // The list and what it could be made anew from.
        for slot in map.front { damaged[Int(slot.contentOffset + 2)] ^= 1 }
        let files = MemoryFiles()
        try await images.export(to: try ArchiveTarget(path: "copy.tar", fileSystem: files))
        let copy = try await openArchive("copy.tar", ArchiveOpening(fileSystem: files))
        #expect(try await repair(damaged, from: [copy]).bytes == whole)
        try await ArchiveImages.one().export(to: try ArchiveTarget(path: "other.tar", fileSystem: files))
        let other = try await openArchive("other.tar", ArchiveOpening(fileSystem: files))
        for origins in [[], [other], [images.store as any SourceStore]] {
            let error = await #expect(throws: ArchiveError.self) { _ = try await repair(damaged, from: origins) }
            #expect(error?.kind == .damaged)
            #expect(error?.description.contains("the list of contents of a.tar is damaged itself") == true)
        }
    }

    @Test func `a list that contradicts the manifests is not believed`() async throws {
        let (images, whole) = try await archive()
        let map = try await map(whole)
        let layer = try #require(map.blobs.last { $0.role == .layer })
        var damaged = whole
        // One digit of a digest in the list, and no seal to tell.
        let list = Int(map.front[2].contentOffset)
        let place = try #require(damaged[list...].firstRange(of: Array(layer.digest.hex.utf8)))
        damaged[place.lowerBound] =
            damaged[place.lowerBound] == UInt8(ascii: "0") ? UInt8(ascii: "1") : UInt8(ascii: "0")
        damaged.replaceSubrange(
            Int(map.seal.headerOffset)..., with: Array(repeating: 0, count: damaged.count - Int(map.seal.headerOffset)))
        let error = await #expect(throws: ArchiveError.self) { _ = try await repair(damaged, from: [images.store]) }
        #expect(error?.description.contains("contradicts its manifests") == true, "\(String(describing: error))")
    }

    @Test func `what nobody has is named, the archive stays as it is, and the next source needs only that`()
        async throws
    {
        let (images, whole) = try await archive()
        let map = try await map(whole)
        let lost = map.slots.indices.filter { map.blobs[$0].role == .layer && map.blobs[$0].size > 600 }
        var damaged = whole
        for number in lost { damaged[Int(map.slots[number].contentOffset)] ^= 1 }
        // The first source has all but one of them.
        let poor = MemoryStore(name: "poor")
        for repository in await images.store.repositories() {
            let (from, to) = (await images.store.source(repository), await poor.target(repository))
            for number in lost.dropLast() {
                let blob = map.blobs[number].descriptor
                do { try await from.read(blob) { try await to.write($0) } } catch {}
            }
        }
        let files = MemoryFiles()
        let (report, bytes) = try await repair(damaged, from: [poor], Self.name, files)
        #expect(!report.isRepaired && bytes == damaged)
        #expect(report.failures.map(\.blob) == [map.blobs[lost.last ?? 0].digest])
        #expect(report.failures.first?.reason.kind == .notFound)
        let (second, after) = try await repair(damaged, from: [images.store], Self.name, files)
        #expect(second.isRepaired && after == whole)
        #expect(second.fetched == [map.blobs[lost.last ?? 0].digest])
        #expect(files.names == [Self.name])
    }

    @Test func `wrong bytes are not taken, and the next source is asked`() async throws {
        let (images, whole) = try await archive()
        let map = try await map(whole)
        let number = try #require(map.slots.indices.last { map.blobs[$0].role == .layer })
        var damaged = whole
        damaged[Int(map.slots[number].contentOffset)] ^= 1
        let files = MemoryFiles()
        var other = damaged
        other[Int(map.slots[number].contentOffset)] ^= 2
        files["liar.tar"] = other
        let liar = try await openArchive("liar.tar", ArchiveOpening(fileSystem: files))
        let (report, bytes) = try await repair(damaged, from: [liar])
        #expect(!report.isRepaired && bytes == damaged)
        #expect(report.failures.map(\.reason.kind) == [.damaged])
        let (second, after) = try await repair(damaged, from: [liar, images.store])
        #expect(second.isRepaired && after == whole)
    }

    @Test func `a sound archive is left alone, and what others wrote is not touched`() async throws {
        let (images, whole) = try await archive()
        let (report, bytes) = try await repair(whole, from: [images.store])
        #expect(report.found.isSound && !report.isRepaired && bytes == whole)
        let map = try await map(whole)
        // Without its list it is what any tool might have written.
        let foreign = Array(whole[..<Int(map.front[2].headerOffset)]) + Array(whole[Int(map.front[2].end)...])
        let error = await #expect(throws: ArchiveError.self) { _ = try await repair(foreign, from: [images.store]) }
        #expect(error?.kind == .usage)
        #expect(error?.description == "a.tar was not written by Lifeboat: no list says what it must be")
    }

    /// Every call to the file system × no space, an I/O error, or the death of the process.
    @Test(arguments: [ENOSPC, EIO, 0])
    func `whatever the disk does, the archive is the damaged one or the whole one`(_ code: Int32) async throws {
        let (images, whole) = try await archive()
        let map = try await map(whole)
        var damaged = whole
        for number in [0, map.manifestCount, map.slots.count - 1] {
            damaged[Int(map.slots[number].contentOffset)] ^= 1
        }
        func run(_ folder: String, _ files: any FileSystem) async throws -> ArchiveRepairReport {
            try await ArchiveRepair(
                path: folder + "/a.tar", from: [images.store],
                opening: ArchiveOpening(fileSystem: files, workFolder: folder), concurrency: 1
            ).run()
        }
        let counting = FaultyFiles()
        try await withTemporaryFolder { folder in
            try Data(damaged).write(to: URL(fileURLWithPath: folder + "/a.tar"))
            #expect(try await run(folder, counting).isRepaired)
        }
        for call in stride(from: 0, to: counting.calls, by: 3) {
            try await withTemporaryFolder { folder in
                let path = URL(fileURLWithPath: folder + "/a.tar")
                try Data(damaged).write(to: path)
                let files = FaultyFiles { _, _, number in
                    code == 0 ? (number >= call ? EIO : nil) : (number == call ? code : nil)
                }
                do {
                    _ = try await run(folder, files)
                } catch let error as any Failure {
                    #expect(error.kind == .local, "call \(call): \(error)")
                }
                let left = Array(try Data(contentsOf: path))
                #expect(left == damaged || left == whole, "call \(call)")
                _ = try await run(folder, LocalFileSystem())
                #expect(Array(try Data(contentsOf: path)) == whole, "call \(call)")
                let names = try FileManager.default.contentsOfDirectory(atPath: folder)
                // What died behind the rename leaves nothing but the archive either.
                #expect(names == ["a.tar"], "call \(call)")
            }
        }
    }

    @Test func `a volume and a delta are repaired like any other archive`() async throws {
        let images = try await ArchiveImages.several(layerSize: 60_000)
        try await withTemporaryFolder { folder in
            let target = try VolumesTarget(path: folder + "/v.tar", volumeSize: 100_000)
            try await images.export(to: target)
            let names = try FileManager.default.contentsOfDirectory(atPath: folder).sorted()
            #expect(names.count > 1)
            for name in names {
                let path = URL(fileURLWithPath: folder + "/" + name)
                let whole = try Data(contentsOf: path)
                var damaged = whole
                for part in [5, 6, 7, 8] { damaged[whole.count * part / 9] ^= 4 }
                try damaged.write(to: path)
                let report = try await ArchiveRepair(
                    path: path.path, from: [images.store], opening: ArchiveOpening(workFolder: folder)
                ).run()
                #expect(report.isRepaired, "\(name): \(report.failures)")
                #expect(try Data(contentsOf: path) == whole)
            }
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder).sorted() == names)
        }
    }

    @Test func `a layout folder gets back each blob that is damaged or missing`() async throws {
        let store = try await SmallWorld.store()
        try await withTemporaryFolder { folder in
            let layout = try await Layout.create(folder + "/l", surroundings: .ofThisMachine)
            for repository in await store.repositories() {
                let (from, to) = (await store.source(repository), layout.target(repository))
                for tag in try await from.tags() {
                    let root = try await from.resolve(.tag(tag))
                    let graph = try await ImageGraph.read(root, from: from)
                    for blob in graph.blobs { try await from.read(blob) { try await to.write($0) } }
                    for manifest in graph.manifests {
                        try await to.push(
                            try await from.manifest(manifest), tags: manifest.digest == root.digest ? [tag] : [])
                    }
                }
            }
            try await layout.flush()
            let blobs = folder + "/l/blobs/sha256/"
            let names = try FileManager.default.contentsOfDirectory(atPath: blobs)
            let whole = try names.map { try Data(contentsOf: URL(fileURLWithPath: blobs + $0)) }
            for (number, name) in names.enumerated() {
                if number.isMultiple(of: 2) {
                    try FileManager.default.removeItem(atPath: blobs + name)
                } else {
                    var bytes = whole[number]
                    bytes[bytes.count / 2] ^= 1
                    try bytes.write(to: URL(fileURLWithPath: blobs + name))
                }
            }
            let report = try await Layout.create(folder + "/l", surroundings: .ofThisMachine).repair(from: [store])
            #expect(report.failures.isEmpty)
            #expect(Set(report.fetched.map(\.hex)) == Set(names))
            for (number, name) in names.enumerated() {
                #expect(try Data(contentsOf: URL(fileURLWithPath: blobs + name)) == whole[number])
            }
        }
    }
}
