import Glibc
import NIOCore
import OCI
import Synchronization
import TestSupport
import Testing

@testable import OCIArchive

/// An export that was stopped anywhere, and the same command again.
@Suite struct ResumeTests {
    /// Fails every call from the n-th on, until it is told that the machine is back.
    private final class Outage: Sendable {
        private let state: Mutex<(left: Int, isOver: Bool)>

        init(after calls: Int) { state = Mutex((calls, false)) }

        func fault(_ operation: String) -> Int32? {
            state.withLock { state in
                if state.isOver { return nil }
                state.left -= 1
                return state.left < 0 ? EIO : nil
            }
        }

        func end() { state.withLock { $0.isOver = true } }
        var hasCome: Bool { state.withLock { $0.left < 0 } }
    }

    /// Bytes of each blob that were read from the source, and the blobs whose write has ended.
    private final class Traffic: Sendable {
        private let counts = Mutex<(read: [Digest: Int64], whole: Set<Digest>)>(([:], []))

        func read(_ digest: Digest, _ count: Int) { counts.withLock { $0.read[digest, default: 0] += Int64(count) } }
        func ended(_ digest: Digest) { counts.withLock { _ = $0.whole.insert(digest) } }
        var read: [Digest: Int64] { counts.withLock { $0.read } }
        var whole: Set<Digest> { counts.withLock { $0.whole } }
    }

    /// Copies one blob as the engine does: asked for, taken up where it was cut off, read and written.
    private func copy(
        _ blob: Descriptor, of images: ArchiveImages, to target: any PlannedTarget, _ traffic: Traffic
    ) async throws {
        let repository = try await target.target(images.images[0].repository)
        guard try await !repository.contains(blob) else { return }
        let bytes = try await images.bytes(of: blob)
        for attempt in 1...2 {
            let begun = try await (repository as? any ResumableTarget)?.begun(blob)
            do {
                try await repository.write(
                    Content(blob, from: "memory", after: begun) { send in
                        var rest = bytes
                        rest.moveReaderIndex(forwardBy: Int(begun?.count ?? 0))
                        while let chunk = rest.readSlice(length: min(10_000, rest.readableBytes)),
                            chunk.readableBytes > 0
                        {
                            traffic.read(blob.digest, chunk.readableBytes)
                            try await send(chunk)
                        }
                    })
                return traffic.ended(blob.digest)
            } catch let error as any Failure where error.kind == .damaged && attempt == 1 {}
        }
    }

    private func export(
        _ images: ArchiveImages, to target: any PlannedTarget, _ traffic: Traffic = Traffic()
    ) async throws {
        do {
            for blob in try await images.begin(target) { try await copy(blob, of: images, to: target, traffic) }
            _ = try await target.commit()
        } catch {
            await target.abort()
            throw error
        }
    }

    private func target(_ name: String, in files: MemoryFiles, volumes: Bool) throws -> any PlannedTarget {
        volumes
            ? try VolumesTarget(path: name, volumeSize: 120_000, fileSystem: files)
            : try ArchiveTarget(path: name, fileSystem: files)
    }

    private func contents(of files: MemoryFiles) -> [String: [UInt8]] {
        Dictionary(uniqueKeysWithValues: files.names.map { ($0, files[$0] ?? []) })
    }

    @Test(arguments: ["a.tar", "a.tar.gz", "a.tar.zst", "a.tar.xz", "volumes of a.tar"])
    func `stopped at every call in turn, the same command ends with the same bytes`(_ what: String) async throws {
        let isDivided = what.hasPrefix("volumes")
        let name = isDivided ? "a.tar" : what
        let images = try await ArchiveImages.several(layerSize: 60_000)
        let undisturbed = MemoryFiles()
        try await export(images, to: try target(name, in: undisturbed, volumes: isDivided))
        let wanted = contents(of: undisturbed)
        var calls = 0
        while true {
            let outage = Outage(after: calls)
            let files = MemoryFiles { operation, _ in outage.fault(operation) }
            let first = Traffic()
            do {
                try await export(images, to: try target(name, in: files, volumes: isDivided), first)
            } catch {
                #expect((error as? any Failure)?.kind == .local, "call \(calls): \(error)")
            }
            let hasCome = outage.hasCome
            outage.end()
            let second = Traffic()
            try await export(images, to: try target(name, in: files, volumes: isDivided), second)
            #expect(contents(of: files) == wanted, "call \(calls)")
            // In a plain archive no blob that had come comes again, and of the others no byte that was written.
            if name.hasSuffix(".tar") {
                for digest in first.whole { #expect(second.read[digest] == nil, "call \(calls)") }
            } else {
                let again = second.read.keys.filter(first.whole.contains).count
                #expect(again <= 12, "call \(calls)")
            }
            if !hasCome { break }
            calls += 1
        }
        #expect(calls > 30)
    }

    @Test func `a blob that was cut off goes on behind its last byte`() async throws {
        let files = MemoryFiles()
        let images = try await ArchiveImages.one(layerSizes: [2_000_000])
        let first = try ArchiveTarget(path: "a.tar", fileSystem: files)
        let layer = try #require(try await images.begin(first).last)
        let bytes = try await images.bytes(of: layer)
        let repository = try first.target(images.images[0].repository)
        await #expect(throws: FileError.self) {
            try await repository.write(
                Content(layer, from: "memory") { send in
                    try await send(bytes.getSlice(at: 0, length: 1_500_000) ?? bytes)
                    try await send(bytes.getSlice(at: 1_500_000, length: 1) ?? bytes)
                    throw FileError("read", "memory", code: EIO)
                })
        }
        await first.abort()
        let traffic = Traffic()
        try await export(images, to: try ArchiveTarget(path: "a.tar", fileSystem: files), traffic)
        #expect(traffic.read[layer.digest] == 500_000)
        let other = MemoryFiles()
        try await export(images, to: try ArchiveTarget(path: "a.tar", fileSystem: other))
        #expect(contents(of: files) == contents(of: other))
    }

    @Test func `a beginning that turns out to be wrong is read again from the start`() async throws {
        let files = MemoryFiles()
        let images = try await ArchiveImages.one(layerSizes: [100_000])
        let first = try ArchiveTarget(path: "a.tar", fileSystem: files)
        let layer = try #require(try await images.begin(first).last)
        await first.abort()
        var partial = try #require(files["a.tar.partial"])
        let map = try await first.planned(images).map
        let slot = map.slots[try #require(map.slotNumbers[layer.digest])]
        partial.replaceSubrange(
            Int(slot.headerOffset)..<Int(slot.contentOffset),
            with: map.header(try #require(map.slotNumbers[layer.digest])).readableBytesView)
        for offset in 0..<40_000 { partial[Int(slot.contentOffset) + offset] = 7 }
        files["a.tar.partial"] = partial
        let traffic = Traffic()
        try await export(images, to: try ArchiveTarget(path: "a.tar", fileSystem: files), traffic)
        let read = traffic.read[layer.digest] ?? 0
        #expect(read == 160_000)
        #expect(try await ArchiveVerification(path: "a.tar", opening: ArchiveOpening(fileSystem: files)).run().isSound)
    }

    @Test(arguments: ["a.tar", "a.tar.zst"])
    func `what was left of other images is a source of blobs, and gone at the end`(_ name: String) async throws {
        let files = MemoryFiles()
        let images = try await ArchiveImages.several(layerSize: 60_000)
        let first = try ArchiveTarget(path: name, fileSystem: files)
        for blob in try await images.begin(first).dropLast(3) {
            try await copy(blob, of: images, to: first, Traffic())
        }
        await first.abort()
        var more = images
        try await more.add("team/zero:1", seed: 80, layerSizes: [4000])
        let traffic = Traffic()
        try await export(more, to: try ArchiveTarget(path: name, fileSystem: files), traffic)
        #expect(files.names == [name])
        // Three that were lacking before, and the new ones: a config and a layer.
        #expect(traffic.read.count <= 5)
        let other = MemoryFiles()
        try await export(more, to: try ArchiveTarget(path: name, fileSystem: other))
        #expect(files[name] == other[name])
    }

    @Test func `a rotten blob of other images is not taken over`() async throws {
        let files = MemoryFiles()
        let images = try await ArchiveImages.one(layerSizes: [50_000])
        let first = try ArchiveTarget(path: "a.tar", fileSystem: files)
        for blob in try await images.begin(first) { try await copy(blob, of: images, to: first, Traffic()) }
        await first.abort()
        var partial = try #require(files["a.tar.partial"])
        partial[partial.count - 20_000] ^= 1
        files["a.tar.partial"] = partial
        var more = images
        try await more.add("team/zero:1", seed: 80, layerSizes: [4000])
        let traffic = Traffic()
        try await export(more, to: try ArchiveTarget(path: "a.tar", fileSystem: files), traffic)
        #expect(traffic.read.values.reduce(0, +) > 50_000)
        #expect(files.names == ["a.tar"])
        #expect(try await ArchiveVerification(path: "a.tar", opening: ArchiveOpening(fileSystem: files)).run().isSound)
    }

    @Test func `without room for both, what is left of other images goes first`() async throws {
        let images = try await ArchiveImages.one(layerSizes: [50_000])
        let files = MemoryFiles(space: 62_000)
        let first = try ArchiveTarget(path: "a.tar", fileSystem: files)
        for blob in try await images.begin(first) { try await copy(blob, of: images, to: first, Traffic()) }
        await first.abort()
        var more = images
        try await more.add("team/zero:1", seed: 80, layerSizes: [100])
        let second = try ArchiveTarget(path: "a.tar", fileSystem: files)
        await #expect { _ = try await more.begin(second) } throws: { ($0 as? any Failure)?.kind == .local }
        #expect(!files.names.contains("a.tar.partial.old"))
    }

    @Test func `partial volumes of another number of them are a source of blobs, and gone at the end`() async throws {
        let files = MemoryFiles()
        let images = try await ArchiveImages.several(layerSize: 60_000)
        let first = try VolumesTarget(path: "a.tar", volumeSize: 100_000, fileSystem: files)
        for blob in try await images.begin(first).dropLast() { try await copy(blob, of: images, to: first, Traffic()) }
        await first.abort()
        #expect(files.names == ["a.1-of-2.tar.partial", "a.2-of-2.tar.partial"])
        let traffic = Traffic()
        try await export(
            images, to: try VolumesTarget(path: "a.tar", volumeSize: 1_000_000, fileSystem: files), traffic)
        #expect(files.names == ["a.1-of-1.tar"])
        #expect(traffic.read.count == 1)
        let other = MemoryFiles()
        try await export(images, to: try VolumesTarget(path: "a.tar", volumeSize: 1_000_000, fileSystem: other))
        #expect(contents(of: files) == contents(of: other))
    }

    @Test func `what a killed run left beside an archive that is there is tidied up`() async throws {
        let files = MemoryFiles()
        let images = try await ArchiveImages.one()
        try await export(images, to: try ArchiveTarget(path: "a.tar", fileSystem: files))
        files["a.tar.partial"] = [1, 2, 3]
        files["a.tar.partial.old"] = [4, 5]
        try await export(images, to: try ArchiveTarget(path: "a.tar", fileSystem: files))
        #expect(files.names == ["a.tar"])
    }
}

extension ArchiveTarget {
    /// The plan of images, for the places in it.
    fileprivate func planned(_ images: ArchiveImages) async throws -> ArchivePlan {
        try await ArchivePlan(images.planned, archive: path) { try images.manifest($0) }
    }
}

extension ArchiveImages {
    func bytes(of blob: Descriptor) async throws -> ByteBuffer {
        for repository in await store.repositories() where try await store.target(repository).contains(blob) {
            return try await store.source(repository).read(blob) { try await $0.collect(upTo: .max) }
        }
        throw OCIError(.notFound, "nobody has \(blob.digest)")
    }
}
