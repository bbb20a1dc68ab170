import NIOCore
import OCI
import Synchronization
import TestSupport
import Testing

@testable import OCIArchive

/// Files of this machine.
struct LocalFileTests {
    @Test func `a path from the root on loses what says nothing, and keeps what may pass a link`() throws {
        #expect(absolutePath("/a//b/./c/") == "/a/b/c")
        #expect(absolutePath("/a/../b") == "/a/../b")
        #expect(absolutePath("/") == "/")
        let here = absolutePath(".")
        #expect(here.hasPrefix("/") && absolutePath("./a") == here + "/a")
    }

    @Test(arguments: [Digest.Algorithm.sha256, .sha512], [Int64(0), 1, 70_000, 17 << 20])
    func `a part of a file is hashed where it stands, and what is missing of it is seen`(
        _ algorithm: Digest.Algorithm, _ size: Int64
    ) async throws {
        try await withTemporaryFolder { folder in
            let file = try await LocalFileSystem().open(folder + "/bytes", .createNew)
            let bytes = SeededBytes.buffer(Int(size), seed: 5)
            try await file.write(ByteBuffer(repeating: 7, count: 1000), at: 0)
            try await file.write(bytes, at: 1000)
            let seen = Mutex<Int64>(0)
            let whole = try await file.digest(at: 1000, count: size, by: algorithm) { count in
                seen.withLock { $0 += Int64(count) }
            }
            #expect(whole.digest == Digest(of: bytes, algorithm: algorithm))
            #expect(whole.count == size)
            #expect(seen.withLock { $0 } == size)
            let cut = try await file.digest(at: 1000, count: size + 1, by: algorithm) { _ in }
            #expect(cut.count == size)
            #expect(cut.digest == whole.digest)
            try await file.close()
        }
    }

    @Test func `space is reserved behind what is written, which stays`() async throws {
        try await withTemporaryFolder { folder in
            let file = try await LocalFileSystem().open(folder + "/bytes", .createNew)
            let bytes = SeededBytes.buffer(10_000, seed: 6)
            try await file.write(bytes, at: 0)
            try await file.reserve(0..<100_000)
            try await file.reserve(50_000..<60_000)
            let kept = try await file.read(at: 0, count: 10_000)
            #expect(kept == bytes)
            let size = try await file.status().size
            #expect(size == 100_000 || size == 10_000)  // the latter where the file system cannot reserve
            try await file.close()
        }
    }

    @Test func `what goes wrong with a reservation is told to the writers, and its end waits for all of it`()
        async throws
    {
        let files = MemoryFiles { action, _ in action == "reserve" ? 28 : nil }
        let file = try await files.open("a", .createNew)
        let failing = Reservation()
        failing.begin(of: 1000, in: file)
        await #expect(throws: FileError.self) { try await failing.end() }
        #expect(throws: FileError.self) { try failing.check() }

        let sound = Reservation()
        let other = try await MemoryFiles().open("a", .createNew)
        sound.begin(of: 100 << 20, in: other)
        try await sound.end()
        try sound.check()
        let size = try await other.status().size
        #expect(size == 100 << 20)
        await sound.cancel()
    }
}
