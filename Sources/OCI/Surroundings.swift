/// What the code takes from the world besides bytes: time and chance. Tests bring their own.
public struct Surroundings: Sendable {
    /// For durations, waits and watchdogs.
    public var clock: any Clock<Duration>
    /// Milliseconds since 1970-01-01T00:00:00Z.
    public var now: @Sendable () -> Int64
    /// Ids and jitter.
    public var random: @Sendable () -> UInt64

    public init(
        clock: any Clock<Duration>, now: @escaping @Sendable () -> Int64, random: @escaping @Sendable () -> UInt64
    ) {
        self.clock = clock
        self.now = now
        self.random = random
    }

    /// 32 hex digits that nobody has used before.
    public func id() -> String {
        [random(), random()].map {
            let hex = String($0, radix: 16)
            return String(repeating: "0", count: 16 - hex.count) + hex
        }.joined()
    }

    public func sleep(for duration: Duration) async throws {
        try await clock.sleep(for: duration)
    }
}

/// How often, and after which waits, something that failed for the moment is tried again.
public struct RetryPolicy: Sendable {
    /// Tries in all, the first included.
    public var attempts: Int
    public var firstDelay: Duration
    public var maximumDelay: Duration
    /// The longest `Retry-After` that is waited for.
    public var longestRetryAfter: Duration

    public init(
        attempts: Int = 5, firstDelay: Duration = .milliseconds(200), maximumDelay: Duration = .seconds(10),
        longestRetryAfter: Duration = .seconds(300)
    ) {
        self.attempts = attempts
        self.firstDelay = firstDelay
        self.maximumDelay = maximumDelay
        self.longestRetryAfter = longestRetryAfter
    }

    /// The wait before the try after `attempt` (1 is the first): exponential, half of it by chance.
    public func delay(after attempt: Int, random: UInt64) -> Duration {
        let doubled = firstDelay * (1 << min(attempt - 1, 16))
        let capped = min(doubled, maximumDelay)
        return capped / 2 + capped / 2 * (Double(random % 1_000_000) / 1_000_000)
    }
}
