import Foundation
import NIOCore
import OCIArchive
import Synchronization
import TestSupport
import Testing

@testable import OCI
@testable import OCIServer

/// What is wrong with the store is told to who runs the server, and how often.
struct FaultTests {
    private final class Lines: Sendable {
        private let lines = Mutex<[String]>([])
        var all: [String] { lines.withLock { $0 } }
        func add(_ line: String) { lines.withLock { $0.append(line) } }
    }

    private final class Time: Sendable {
        private let value = Atomic<Int64>(0)
        var now: Int64 { value.load(ordering: .relaxed) }
        func pass(_ milliseconds: Int64) { value.add(milliseconds, ordering: .relaxed) }
    }

    @Test func `a damaged blob is told once, however often and in whatever part it is asked for`() async throws {
        try await withTemporaryFolder { folder in
            let layout = try await Layout.create(folder, surroundings: .ofThisMachine)
            let image = try await SeededImages.push(
                to: layout.target(RepositoryName("app")), seed: 1, layerSizes: [1000, 900_000], tags: [.latest])
            let (small, large) = (image.children[1], image.children[2])
            @Sendable func file(_ blob: Descriptor) -> URL {
                URL(fileURLWithPath: folder + "/blobs/sha256/" + blob.digest.hex)
            }
            for blob in [small, large] {
                var bytes = try Data(contentsOf: file(blob))
                bytes[Int(blob.size) / 2] ^= 1
                try bytes.write(to: file(blob))
            }
            let lines = Lines()
            try await TestRegistry.run(over: layout, writable: false, onFault: lines.add) { address in
                for _ in 0..<3 {
                    for blob in [small, large] {
                        _ = try await RawHTTP.send("GET /v2/app/blobs/\(blob.digest)", to: address)
                        _ = try await RawHTTP.send(
                            "GET /v2/app/blobs/\(blob.digest)", to: address, ["Range": "bytes=5-9"])
                    }
                    // Not there, nor would it be a fault if it never had been.
                    let absent = Digest(of: [7])
                    #expect(try await RawHTTP.send("GET /v2/app/blobs/\(absent)", to: address).status == 404)
                    #expect(try await RawHTTP.send("GET /v2/app/manifests/none", to: address).status == 404)
                }
            }
            for blob in [small, large] {
                let told = lines.all.filter { $0.contains("\(blob.digest)") && $0.contains("damaged") }
                #expect(told.count == 1, "\(lines.all)")
            }
            #expect(lines.all.count == 2, "\(lines.all)")
        }
    }

    @Test func `a blob that was right when it was first sent is hashed again when its file has changed`() async throws {
        try await withTemporaryFolder { folder in
            let layout = try await Layout.create(folder, surroundings: .ofThisMachine)
            let image = try await SeededImages.push(
                to: layout.target(RepositoryName("app")), seed: 1, layerSizes: [900_000], tags: [.latest])
            let blob = image.children[1]
            let file = URL(fileURLWithPath: folder + "/blobs/sha256/" + blob.digest.hex)
            let lines = Lines()
            try await TestRegistry.run(over: layout, writable: false, onFault: lines.add) { address in
                for _ in 0..<2 {
                    let answer = try await RawHTTP.send("GET /v2/app/blobs/\(blob.digest)", to: address)
                    #expect(Digest(of: answer.body) == blob.digest)
                }
                // In place, and its time of modification put back.
                var before = stat()
                #expect(stat(file.path, &before) == 0)
                let handle = try FileHandle(forUpdating: file)
                try handle.seek(toOffset: 450_000)
                let byte = try #require(try handle.read(upToCount: 1)?.first)
                try handle.seek(toOffset: 450_000)
                try handle.write(contentsOf: [byte ^ 1])
                try handle.close()
                #expect(utimensat(AT_FDCWD, file.path, [before.st_atim, before.st_mtim], 0) == 0)
                let answer = try await RawHTTP.send("GET /v2/app/blobs/\(blob.digest)", to: address)
                #expect(answer.isCutShort)
            }
            #expect(lines.all.count == 1, "\(lines.all)")
        }
    }

    @Test func `a blob that was right when it was first sent is not hashed again as long as nothing has changed`()
        async throws
    {
        let (store, name) = (MemoryStore(), try RepositoryName("app"))
        let image = try await SeededImages.push(
            to: store.target(name), seed: 1, layerSizes: [900_000], tags: [.latest])
        let blob = image.children[1]
        try await TestRegistry.run(over: store, writable: false) { address in
            let question = "GET /v2/app/blobs/\(blob.digest)"
            let first = try await RawHTTP.send(question, to: address)
            #expect(Digest(of: first.body) == blob.digest)
            // Other bytes, of which the store says nothing: hashing would notice.
            let other = ByteBuffer(repeating: 7, count: 900_000)
            await store.change(name) { $0.blobs[blob.digest] = other }
            let second = try await RawHTTP.send(question, to: address)
            #expect(second.body == other && !second.isCutShort)
        }
    }

    @Test func `a read that fails is told once`() async throws {
        let store = MemoryStore()
        let image = try await SeededImages.push(
            to: store.target(RepositoryName("app")), seed: 1, layerSizes: [900_000], tags: [.latest])
        let lines = Lines()
        let broken = WatchedReads(store: store, fault: OCIError(.local, "the disk gives no byte 5"))
        try await TestRegistry.run(over: broken, writable: false, onFault: lines.add) { address in
            for _ in 0..<3 {
                let answer = try await RawHTTP.send("GET /v2/app/blobs/\(image.children[1].digest)", to: address)
                #expect(answer.isCutShort)
            }
        }
        #expect(lines.all == ["the disk gives no byte 5"])
    }

    @Test func `a fault is told again after a while, and many of them as a number`() {
        let (lines, time) = (Lines(), Time())
        let log = FaultLog(now: { time.now }, tell: lines.add)
        func fault(_ number: Int, _ kind: FailureKind = .damaged) {
            log.note(OCIError(kind, "blob \(number) is damaged"), about: Digest(of: Array("\(number)".utf8)))
        }
        fault(0)
        fault(0)
        fault(0, .local)
        fault(0, .notFound)
        #expect(lines.all.count == 2)
        for number in 1..<100 { fault(number) }
        #expect(lines.all.count == FaultLog.limit)
        time.pass(60_000)
        fault(0)
        fault(100)
        #expect(lines.all.count == FaultLog.limit + 2)
        #expect(lines.all.suffix(2) == ["41 more faults like these within a minute", "blob 100 is damaged"])
        time.pass(FaultLog.pause)
        fault(0)
        #expect(lines.all.last == "blob 0 is damaged")
    }
}
