import NIOHTTP1
import OCI
import Synchronization
import TestSupport
import Testing

@testable import OCIRegistry

/// A registry that is down is not asked by everybody (R17).
struct CircuitBreakerTests {
    /// How long after a fault the registry is asked again: long, so that no test comes to that, or not at all.
    private func options(pause: Duration) -> RegistryOptions {
        .quick { options in
            options.retry = RetryPolicy(
                attempts: 3, firstDelay: .milliseconds(1), maximumDelay: pause, longestRetryAfter: .seconds(5))
        }
    }

    @Test func `when one request has failed for good, the next is a question, and then all others fail unsent`()
        async throws
    {
        try await withScript(options(pause: .seconds(3600))) { _ in
            ScriptedAnswer(500)
        } _: { repository, server in
            let first = try await failure { try await repository.tags() }
            #expect(first.description.contains("answers 500") && first.description.contains("after 3 attempts"))
            #expect(!first.isLasting)
            #expect(server.lines.count == 3)
            let second = try await failure { try await repository.tags() }
            #expect(second.isLasting && second.kind == .unavailable)
            #expect(second.description.hasPrefix("\(server.host) is down, and is not asked each time: "))
            #expect(server.lines.count == 4)
            for _ in 0..<10 { #expect(try await failure { try await repository.tags() }.isLasting) }
            #expect(server.lines.count == 4)
        }
    }

    @Test func `one thing that fails is not all of them`() async throws {
        try await withScript(options(pause: .seconds(3600))) { request in
            request.path.hasSuffix("/tags/list") ? ScriptedAnswer(500) : nil
        } _: { repository, server in
            _ = try await failure { try await repository.tags() }
            // Those who come at the same time wait for what the first of them finds.
            try await withThrowingTaskGroup(of: Bool.self) { group in
                for _ in 0..<8 {
                    group.addTask { try await repository.contains(.layer(sample(9))) }
                }
                for try await isThere in group { #expect(!isThere) }
            }
        }
    }

    @Test func `a registry that is back is asked as before`() async throws {
        let isDown = Mutex(true)
        try await withScript(options(pause: .milliseconds(1))) { _ in
            isDown.withLock { $0 } ? ScriptedAnswer(502) : .json(#"{"tags":["a"]}"#)
        } _: { repository, server in
            for _ in 0..<3 { _ = try await failure { try await repository.tags() } }
            isDown.withLock { $0 = false }
            try await Task.sleep(for: .milliseconds(5))
            for _ in 0..<3 {
                let tags = try await repository.tags()
                #expect(tags.count == 1)
            }
        }
    }

    @Test func `too many requests are no sign of a registry that is down`() async throws {
        try await withScript(options(pause: .seconds(3600))) { _ in
            ScriptedAnswer(429)
        } _: { repository, server in
            for _ in 0..<3 {
                let error = try await failure { try await repository.tags() }
                #expect(!error.isLasting)
            }
            #expect(server.lines.count == 9)
        }
    }
}
