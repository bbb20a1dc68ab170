import NIOCore
import Synchronization
import TestSupport
import Testing

@testable import OCIArchive

/// Chunks that become writes of a useful size.
struct WriteRunTests {
    @Test(arguments: [1, 1000, 65_536, 300_000, 2_000_000])
    func `chunks of any size arrive in order, in writes of half a megabyte`(_ size: Int) async throws {
        let bytes = SeededBytes.buffer(min(3_000_001, size * 100), seed: 9)
        try await withTemporaryFolder { folder in
            let writes = Mutex(0)
            let files = FaultyFiles { action, _, _ in
                if action == "write" { writes.withLock { $0 += 1 } }
                return nil
            }
            let file = try await files.open(folder + "/bytes", .createNew)
            var run = WriteRun(at: 7)
            var rest = bytes
            while let chunk = rest.readSlice(length: min(size, rest.readableBytes)), chunk.readableBytes > 0 {
                try await run.append(chunk, to: file)
                // One that fills its buffer, between slices that do not.
                try await run.append(ByteBuffer(repeating: 0xa5, count: 20_000), to: file)
            }
            run.append(zeros: 511)
            try await run.flush(to: file)

            var wanted = ByteBuffer(repeating: 0, count: 7)
            rest = bytes
            while let chunk = rest.readSlice(length: min(size, rest.readableBytes)), chunk.readableBytes > 0 {
                wanted.writeImmutableBuffer(chunk)
                wanted.writeRepeatingByte(0xa5, count: 20_000)
            }
            wanted.writeRepeatingByte(0, count: 511)
            let written = try await file.read(at: 0, count: wanted.readableBytes + 1)
            #expect(written == wanted)
            #expect(run.offset == wanted.readableBytes)
            let most = max(size, 512 << 10)
            #expect(writes.withLock { $0 } <= wanted.readableBytes / (most / 2) + 2)
            try await file.close()
        }
    }

    @Test func `ten thousand chunks of a byte are one write`() async throws {
        let writes = Mutex(0)
        let files = MemoryFiles { action, _ in
            if action == "write" { writes.withLock { $0 += 1 } }
            return nil
        }
        let file = try await files.open("a", .createNew)
        var run = WriteRun()
        for _ in 0..<10_000 { try await run.append(ByteBuffer(repeating: 1, count: 1), to: file) }
        try await run.flush(to: file)
        try await run.flush(to: file)
        #expect(files["a"] == [UInt8](repeating: 1, count: 10_000))
        #expect(writes.withLock { $0 } == 1)
    }
}
