import NIOCore
import NIOHTTP1
import OCI
import OCIRegistry
import Synchronization
import TestSupport
import Testing

/// One blob over several connections at once.
struct RangeTests {
    private let bytes = sample(2_000_000)
    private var blob: Descriptor { .layer(bytes) }

    /// Sees early that a connection is slow, asks for small parts, and stays with them on a machine that is busy.
    private func options(_ change: (inout RegistryOptions) -> Void = { _ in }) -> RegistryOptions {
        .quick {
            $0.ranges.partSize = 50_000
            $0.ranges.leastLeft = 200_000
            $0.ranges.patience = .milliseconds(50)
            $0.ranges.gain = 0
            change(&$0)
        }
    }

    private func collect(_ repository: RemoteRepository, _ blob: Descriptor? = nil) async throws -> ByteBuffer {
        try await repository.read(blob ?? self.blob) { try await $0.collect(upTo: 4 << 20) }
    }

    /// All of it slowly, or the part that is asked for.
    private func slowly(
        _ request: ScriptedRequest, _ bytes: ByteBuffer, rate: Int? = 400_000, ending: ScriptedAnswer.Ending = .whole
    ) -> ScriptedAnswer {
        var answer: ScriptedAnswer
        if let range = range(request, of: bytes) {
            answer = ScriptedAnswer(
                206, ["Content-Range": "bytes \(range.lowerBound)-\(range.upperBound)/\(bytes.readableBytes)"],
                body: bytes.getSlice(at: range.lowerBound, length: range.count) ?? ByteBuffer(), ending: ending)
        } else {
            answer = ScriptedAnswer(200, ["ETag": "\"tag\""], body: bytes)
        }
        if ending == .whole { answer.rate = rate }
        return answer
    }

    private func range(_ request: ScriptedRequest, of bytes: ByteBuffer) -> ClosedRange<Int>? {
        guard let text = request.header("Range")?.dropFirst("bytes=".count) else { return nil }
        let ends = text.split(separator: "-")
        let last = ends.count > 1 ? Int(ends[1]) ?? -1 : bytes.readableBytes - 1
        return (Int(ends[0]) ?? 0)...last
    }

    @Test func `a slow blob is read over several connections, every byte once`() async throws {
        try await withScript(options()) {
            slowly($0, bytes, rate: 200_000)
        } _: { repository, server in
            let collected = try await collect(repository)
            #expect(collected == bytes)
            let parts = server.requests.compactMap { range($0, of: bytes) }
            #expect(parts.count > 10)
            #expect(parts.allSatisfy { $0.count <= 50_000 })
            let sorted = parts.sorted { $0.lowerBound < $1.lowerBound }
            for (part, next) in zip(sorted, sorted.dropFirst()) { #expect(part.upperBound + 1 == next.lowerBound) }
            #expect(sorted.last?.upperBound == 1_999_999)
            #expect(server.requests.dropFirst().allSatisfy { $0.header("If-Range") == "\"tag\"" })
        }
    }

    @Test func `a blob that is not slow is read over one connection`() async throws {
        let options = options { $0.ranges.slowRate = 1 }
        try await withScript(options) {
            slowly($0, bytes, rate: nil)
        } _: { repository, server in
            let collected = try await collect(repository)
            #expect(collected == bytes)
            #expect(server.requests.count == 1)
        }
    }

    @Test func `with one connection for a blob there are no parts`() async throws {
        let options = options { $0.ranges.connections = 1 }
        try await withScript(options) {
            slowly($0, bytes, rate: 4_000_000)
        } _: { repository, server in
            let collected = try await collect(repository)
            #expect(collected == bytes)
            #expect(server.requests.count == 1)
        }
    }

    @Test(arguments: ["all", "another place", "another size", "too much", "unsaid"])
    func `what a registry sends instead of a part is not used, and parts are not asked for again`(
        lie: String
    ) async throws {
        let second = sample(1_000_000, seed: 2)
        let digest = Descriptor.layer(second).digest.description
        try await withScript(options()) { request in
            let bytes = request.path.hasSuffix(digest) ? second : bytes
            guard let range = range(request, of: bytes), range.upperBound < bytes.readableBytes - 1 else {
                return slowly(request, bytes, rate: range(request, of: bytes) == nil ? 1_000_000 : nil)
            }
            let body = bytes.getSlice(at: range.lowerBound, length: range.count) ?? ByteBuffer()
            let total = bytes.readableBytes
            return switch lie {
            case "all": ScriptedAnswer(200, body: bytes)
            case "another place":
                ScriptedAnswer(206, ["Content-Range": "bytes 0-\(range.count - 1)/\(total)"], body: body)
            case "another size":
                ScriptedAnswer(
                    206, ["Content-Range": "bytes \(range.lowerBound)-\(range.upperBound)/\(total + 1)"], body: body)
            case "too much":
                ScriptedAnswer(
                    206, ["Content-Range": "bytes \(range.lowerBound)-\(range.upperBound)/\(total)"],
                    body: bytes.getSlice(at: range.lowerBound, length: range.count + 1) ?? body)
            default: ScriptedAnswer(206, body: body)
            }
        } _: { repository, server in
            let collected = try await collect(repository)
            #expect(collected == bytes)
            let last = try #require(server.requests.last.flatMap { range($0, of: bytes) })
            #expect(last.upperBound == 1_999_999)
            let sofar = server.requests.count
            let other = try await collect(repository, .layer(second))
            #expect(other == second)
            #expect(server.requests.count == sofar + 1)
        }
    }

    @Test(arguments: [ScriptedAnswer.Ending.close(after: 20_000), .reset(after: 20_000), .stall(after: 20_000)])
    func `a part that breaks off goes on where it was`(ending: ScriptedAnswer.Ending) async throws {
        let broken = Mutex<Set<Int>>([])
        let options = options { if case .stall = ending { $0.idleTimeout = .seconds(2) } }
        try await withScript(options) { request in
            guard let range = range(request, of: bytes), range.count == 50_000 else {
                return slowly(request, bytes, rate: range(request, of: bytes) == nil ? 400_000 : nil)
            }
            let isFirst = broken.withLock { $0.count < 3 && $0.insert(range.lowerBound).inserted }
            return isFirst ? slowly(request, bytes, ending: ending) : slowly(request, bytes)
        } _: { repository, server in
            let collected = try await collect(repository)
            #expect(collected == bytes)
            let rests = server.requests.compactMap { range($0, of: bytes) }.filter { $0.count == 30_000 }
            #expect(rests.count >= 3)
        }
    }

    @Test func `parts that never come end as unavailable`() async throws {
        try await withScript(options()) { request in
            range(request, of: bytes) == nil ? slowly(request, bytes) : ScriptedAnswer(503)
        } _: { repository, _ in
            let error = try await failure { try await collect(repository) }
            #expect(error.kind == .unavailable)
            #expect(error.description.hasSuffix("after 3 attempts"))
        }
    }

    @Test func `R8: damage in a part is found, and the next read is over one connection`() async throws {
        let other = sample(2_000_000, seed: 3)
        try await withScript(options()) { request in
            if request.number == 0 { return slowly(request, bytes) }
            return range(request, of: bytes) == nil
                ? slowly(request, bytes, rate: 4_000_000) : slowly(request, other, rate: 4_000_000)
        } _: { repository, server in
            let error = try await failure { try await collect(repository) }
            #expect(error.kind == .damaged)
            let sofar = server.requests.count
            let again = try await collect(repository)
            #expect(again == bytes)
            #expect(server.requests.count == sofar + 1)
        }
    }

    @Test func `parts come from the storage that the registry redirects to, until its address runs out`() async throws {
        let expired = Mutex(false)
        try await ScriptedRegistry.serve { request in
            if request.path == "/old", request.number > 8 { return ScriptedAnswer(403) }
            return slowly(request, bytes)
        } _: { storage in
            let host = storage.host
            try await withScript(options()) { request in
                let isFirst = expired.withLock { expired in
                    defer { expired = true }
                    return !expired
                }
                return ScriptedAnswer(307, ["Location": "http://\(host)/\(isFirst ? "old" : "new")?signature=1"])
            } _: { repository, server in
                let collected = try await collect(repository)
                #expect(collected == bytes)
                let parts = storage.requests.compactMap { range($0, of: bytes) }
                #expect(parts.count > 10)
                #expect(server.requests.count > 1)
                #expect(server.requests.count < parts.count)
            }
        }
    }

    @Test func `what the receiver throws ends all parts`() async throws {
        struct Enough: Error {}
        try await withScript(options()) {
            slowly($0, bytes)
        } _: { repository, server in
            let count = Mutex(0)
            await #expect(throws: Enough.self) {
                try await repository.read(blob) { content in
                    try await content.forEachChunk { chunk in
                        let sofar = count.withLock { count in
                            count += chunk.readableBytes
                            return count
                        }
                        if sofar > 500_000 { throw Enough() }
                    }
                }
            }
            #expect(server.requests.count > 4)
        }
    }

    @Test(.enabled(if: DockerRegistry.isInstalled, "docker-registry is not installed"))
    func `a real registry sends a blob in parts`() async throws {
        let bytes = sample(50_000_000)
        let options = RegistryOptions.quick {
            $0.ranges.partSize = 1_000_000
            $0.ranges.patience = .zero
            $0.ranges.waiting = 0
            $0.ranges.slowRate = .max
            $0.ranges.fastRate = .max
            $0.ranges.gain = 0
        }
        try await DockerRegistry.run { server in
            try await withRegistry(server.host, options) { registry in
                let repository = registry.repository(try RepositoryName("team/app"))
                try await repository.write(Content(bytes, as: .layer(bytes), from: "test"))
                try await repository.read(.layer(bytes)) { try await $0.verify() }
                #expect((registry.requestCounts()[.blob] ?? 0) >= 49)
            }
        }
    }
}
