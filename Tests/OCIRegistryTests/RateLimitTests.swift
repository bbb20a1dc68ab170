import NIOCore
import OCI
import Synchronization
import TestSupport
import Testing

@testable import OCIRegistry

@Suite struct RateLimitTests {
    /// A clock that stands still and notes how long it was asked to wait.
    private final class Time: Sendable {
        let milliseconds = Mutex<Int64>(1_000_000)
        let waits = Mutex<[Duration]>([])

        var surroundings: Surroundings {
            Surroundings(clock: Noted(time: self), now: { self.milliseconds.withLock { $0 } }, random: { 0 })
        }

        struct Noted: Clock {
            let time: Time
            let now = ContinuousClock.now
            var minimumResolution: Duration { .zero }
            func sleep(until deadline: ContinuousClock.Instant, tolerance: Duration?) async throws {
                time.waits.withLock { $0.append(now.duration(to: deadline)) }
            }
        }

        func pass(_ milliseconds: Int64) { self.milliseconds.withLock { $0 += milliseconds } }
        var seconds: [Int] { waits.withLock { $0.map { Int(($0 / .milliseconds(1)).rounded()) } } }
    }

    @Test func `a burst is free, what goes beyond it waits for its share`() async throws {
        let time = Time()
        let pace = RateLimit(rate: 100, burst: 10, surroundings: time.surroundings)
        try await pace.take(10)
        #expect(time.seconds.isEmpty)
        try await pace.take(5)
        try await pace.take(100)
        #expect(time.seconds == [50, 1050])
        time.pass(1050)
        try await pace.take(1)
        #expect(time.seconds == [50, 1050, 10])
        // However long nothing happens, a burst is all that is saved up.
        time.pass(3_600_000)
        try await pace.take(10)
        try await pace.take(10)
        #expect(time.seconds == [50, 1050, 10, 100])
    }

    @Test func `R16: a wait that counts down is obeyed as it is said each time`() async throws {
        let time = Time()
        let options = RegistryOptions.quick {
            $0.retry.longestRetryAfter = .seconds(60)
            $0.retry.attempts = 4
        }
        let said = Mutex([30, 20, 10])
        let loop = RequestLoop(name: "r", options: options, surroundings: time.surroundings)
        let answer = try await loop.run { () -> String in
            let next = said.withLock { $0.isEmpty ? nil : $0.removeFirst() }
            guard let next else { return "in the end" }
            throw RegistryError.transient("slow down", status: 429, retryAfter: .seconds(next))
        }
        #expect(answer == "in the end")
        #expect(time.seconds == [30_000, 20_000, 10_000])
    }

    @Test func `a clock that is set back neither stops nor opens the pace`() async throws {
        let time = Time()
        let pace = RateLimit(rate: 100, burst: 1, surroundings: time.surroundings)
        try await pace.take(1)
        time.pass(-86_400_000)
        try await pace.take(1)
        time.pass(10)
        try await pace.take(1)
        #expect(time.seconds == [10, 10])
    }

    @Test func `without a limit there is no pace at all`() {
        #expect(RateLimit(requestsPerSecond: nil, surroundings: .real) == nil)
        #expect(RateLimit(bytesPerSecond: nil, surroundings: .real) == nil)
    }

    @Test func `requests keep to their rate`() async throws {
        try await ScriptedRegistry.serve({ _ in nil }) { server in
            let options = RegistryOptions.quick { $0.requestsPerSecond = 20 }
            try await withRegistry(server.host, options) { registry in
                let repository = registry.repository(try RepositoryName("team/app"))
                let took = try await ContinuousClock().measure {
                    try await forEach(0..<12, limit: 12) { _ in _ = try await repository.find(.tag(Tag("1"))) }
                }
                // Two at once, ten more at 50 ms each.
                #expect(took > .milliseconds(450), "\(took)")
            }
        }
    }

    @Test func `bytes keep to their rate in both directions`() async throws {
        let store = MemoryStore()
        try await TestRegistry.run(over: store) { host in
            let bytes = SeededBytes.buffer(300_000, seed: 1)
            let blob = Descriptor(of: bytes, mediaType: .ociLayer)
            let options = RegistryOptions.quick { $0.bytesPerSecond = 500_000 }
            try await withRegistry(host, options) { registry in
                let repository = registry.repository(try RepositoryName("team/app"))
                let took = try await ContinuousClock().measure {
                    try await repository.write(Content(bytes, as: blob, from: "test"))
                    try await repository.read(blob) { try await $0.verify() }
                }
                #expect(took > .milliseconds(1000), "\(took)")
            }
        }
    }

    @Test func `credentials come from a command, without a shell`() async throws {
        let script = #"printf '{"Username":"me","Secret":"%s;$(id)"}' "$1""#
        let credential = try await CredentialHelper(command: ["sh", "-c", script, "sh", "a b"]).credential(
            for: "old.example.com")
        #expect(credential == .password(username: "me", password: "a b;$(id)"))
    }

    @Test(arguments: [
        ["false"], ["/nonexistent/program"], ["echo", "secret-text"],
    ])
    func `a command that gives no credentials is named, and what it printed is not`(_ words: [String]) async throws {
        let error = await #expect(throws: RegistryError.self) {
            try await CredentialHelper(command: words).credential(for: "old.example.com")
        }
        #expect(error?.kind == .auth)
        #expect(error?.description.hasPrefix("\(words[0]) does not give the credentials: ") ?? false)
        #expect(!(error?.description.contains("secret-text") ?? true))
    }
}
