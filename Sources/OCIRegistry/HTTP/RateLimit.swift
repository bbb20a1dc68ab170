import OCI
import Synchronization

/// Keeps to so many units a second, such as requests or bytes: a token bucket.
///
/// Whoever takes more than there is runs into debt and waits until it is paid, so that large takes need no splitting
/// and the rate holds on average. A burst of `burst` units is free after a pause.
final class RateLimit: Sendable {
    private struct State {
        var left: Double
        /// Milliseconds, by the wall clock.
        var seen: Int64
        /// Among how many the rate is divided.
        var parts = 1.0
    }

    let rate: Double
    let burst: Double
    private let surroundings: Surroundings
    private let state: Mutex<State>

    /// - Parameters:
    ///   - rate: units a second, above 0.
    ///   - burst: what may be taken at once after a pause.
    init(rate: Double, burst: Double, surroundings: Surroundings) {
        self.rate = rate
        self.burst = burst
        self.surroundings = surroundings
        state = Mutex(State(left: burst, seen: surroundings.now()))
    }

    /// Keeps to one of so many equal parts of the rate from now on.
    func divide(by parts: Int) {
        state.withLock { $0.parts = Double(max(1, parts)) }
    }

    /// - Throws: `CancellationError` if the task ends while it waits.
    func take(_ units: Int) async throws {
        let (debt, rate) = state.withLock { state in
            let rate = self.rate / state.parts
            let now = surroundings.now()
            // A clock that is set back gives nothing, one that is set forward a burst at most.
            let passed = max(0, Double(now - state.seen) / 1000)
            state.seen = now
            state.left = min(burst, state.left + passed * rate) - Double(units)
            return (max(0, -state.left), rate)
        }
        if debt > 0 { try await surroundings.sleep(for: .seconds(debt / rate)) }
    }
}

extension RateLimit {
    /// The pace of requests: a tenth of a second's worth at once, one at least.
    convenience init?(requestsPerSecond rate: Double?, surroundings: Surroundings) {
        guard let rate, rate > 0 else { return nil }
        self.init(rate: rate, burst: max(1, rate / 10), surroundings: surroundings)
    }

    /// The pace of bytes: a tenth of a second's worth at most at once.
    convenience init?(bytesPerSecond rate: Int64?, surroundings: Surroundings) {
        guard let rate, rate > 0 else { return nil }
        self.init(rate: Double(rate), burst: Double(rate) / 10, surroundings: surroundings)
    }
}
