import OCI
import TestSupport
import Testing

@testable import OCIRegistry

/// How many requests are under way at once.
struct RequestLimiterTests {
    /// Runs `body` while so many requests are under way.
    private func holding(_ count: Int, of limiter: RequestLimiter, _ body: () -> Void) async throws {
        guard count > 0 else { return body() }
        try await limiter.withPlace(.other) { try await holding(count - 1, of: limiter, body) }
    }

    @Test func `an overload halves what is under way, and only the first answer that says so counts`() async throws {
        let limiter = RequestLimiter(limit: 16)
        try await holding(12, of: limiter) {
            let era = limiter.era
            limiter.fall(since: era)
            #expect(limiter.limit == 6)
            limiter.fall(since: era)
            #expect(limiter.limit == 6)
            #expect(limiter.spare == 0)
            limiter.fall(since: limiter.era)
            #expect(limiter.limit == 3)
        }
        for _ in 0..<5 { limiter.fall(since: limiter.era) }
        #expect(limiter.limit == 2)
    }

    @Test func `good answers raise it again, one by one, up to the most`() {
        let limiter = RequestLimiter(limit: 4)
        limiter.rise()
        #expect(limiter.limit == 4)
        limiter.fall(since: limiter.era)
        #expect(limiter.limit == 2)
        for _ in 0..<7 { limiter.rise() }
        #expect(limiter.limit == 2)
        limiter.rise()
        #expect(limiter.limit == 3)
        for _ in 0..<100 { limiter.rise() }
        #expect(limiter.limit == 4)
    }

    @Test func `who waits goes on when the limit rises`() async throws {
        let limiter = RequestLimiter(limit: 3)
        try await limiter.withPlace(.other) {
            try await limiter.withPlace(.other) {
                limiter.fall(since: limiter.era)
                async let third = limiter.withPlace(.other) { limiter.limit }
                await Task.yield()
                for _ in 0..<100 { limiter.rise() }
                let limit = try await third
                #expect(limit == 3)
            }
        }
    }

    @Test(arguments: [429, 503, 500])
    func `a registry that is overloaded gets fewer requests at once`(_ status: Int) async throws {
        let most = RegistryOptions().connections
        try await withScript { request in
            request.number == 0 ? ScriptedAnswer(status) : .json(#"{"tags":["a"]}"#)
        } _: { repository, _ in
            let tags = try await repository.tags()
            #expect(tags.map(\.description) == ["a"])
            #expect(repository.registry.transport.spare == (status == 500 ? most : most / 4))
        }
    }
}
