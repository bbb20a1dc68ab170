import NIOCore
import OCI
import Synchronization
import TestSupport
import Testing

@Suite struct ContentSplitTests {
    private static let bytes = SeededBytes.buffer(1_000_000, seed: 5)
    private static let blob = Descriptor(of: bytes, mediaType: .ociLayer)

    private struct Refusal: Error {}

    /// Content in chunks of 10,000 bytes that counts what has been read.
    private func content(flipping: Bool = false, read: Counter = Counter()) -> Content {
        Content(Self.blob, from: "test") { send in
            var rest = Self.bytes
            while var chunk = rest.readSlice(length: min(10_000, rest.readableBytes)), chunk.readableBytes > 0 {
                read.add(chunk.readableBytes)
                if flipping, rest.readableBytes == 0 { chunk.setInteger(UInt64.max, at: chunk.readerIndex) }
                try await send(chunk)
            }
        }
    }

    private final class Counter: Sendable {
        private let count = Mutex(0)
        func add(_ number: Int) { count.withLock { $0 += number } }
        var value: Int { count.withLock { $0 } }
    }

    private func receiver(_ collected: Counter, failingAfter limit: Int = .max)
        -> @Sendable (Content) async throws -> Void
    {
        { content in
            var all = ByteBuffer()
            try await content.forEachChunk { chunk in
                all.writeImmutableBuffer(chunk)
                collected.add(chunk.readableBytes)
                if all.readableBytes > limit { throw Refusal() }
            }
            #expect(all == Self.bytes)
        }
    }

    @Test func `every receiver gets all of it, and it is read once`() async throws {
        let (read, counts) = (Counter(), (0..<3).map { _ in Counter() })
        let results = try await content(read: read).split(among: counts.map { receiver($0) })
        for result in results { #expect(throws: Never.self) { try result.get() } }
        #expect(counts.map(\.value) == [1_000_000, 1_000_000, 1_000_000])
        #expect(read.value == 1_000_000)
    }

    @Test func `one receiver that fails does not stop the others`() async throws {
        let (good, bad) = (Counter(), Counter())
        let results = try await content().split(among: [receiver(bad, failingAfter: 30_000), receiver(good)])
        #expect(throws: Refusal.self) { try results[0].get() }
        #expect(throws: Never.self) { try results[1].get() }
        #expect(good.value == 1_000_000)
    }

    @Test func `reading ends when no receiver is left`() async throws {
        let read = Counter()
        let results = try await content(read: read).split(
            among: [receiver(Counter(), failingAfter: 30_000), receiver(Counter(), failingAfter: 60_000)])
        for result in results { #expect(throws: Refusal.self) { try result.get() } }
        #expect(read.value < 200_000)
    }

    @Test func `nobody gets the last chunk of damaged content`() async throws {
        let counts = [Counter(), Counter()]
        let error = await #expect(throws: OCIError.self) {
            let results = try await content(flipping: true).split(among: counts.map { receiver($0) })
            _ = results
        }
        #expect(error?.kind == .damaged)
        #expect(counts.allSatisfy { $0.value <= 990_000 })
    }

    @Test func `a fast receiver waits for a slow one, and memory stays small`() async throws {
        let (fast, slow, read) = (Counter(), Counter(), Counter())
        let ahead = Counter()
        let results = try await content(read: read).split(among: [
            receiver(fast),
            { content in
                try await content.forEachChunk { chunk in
                    await Task.yield()
                    slow.add(chunk.readableBytes)
                    if read.value - slow.value > 50_000 { ahead.add(1) }
                }
            },
        ])
        for result in results { #expect(throws: Never.self) { try result.get() } }
        #expect(ahead.value == 0)
    }

    @Test func `cancelling ends both sides`() async throws {
        let task = Task {
            let content = Content(Self.blob, from: "test") { send in
                try await send(SeededBytes.buffer(1000, seed: 1))
                try await send(SeededBytes.buffer(1000, seed: 2))
                try await Task.sleep(for: .seconds(60))
            }
            return try await content.split(among: [
                { try await $0.verify() }, { _ in try await Task.sleep(for: .seconds(60)) },
            ])
        }
        try await Task.sleep(for: .milliseconds(20))
        task.cancel()
        await #expect(throws: CancellationError.self, "after a minute it would be too few bytes") {
            _ = try await task.value
        }
    }
}
