import OCI
import Synchronization

/// Spares everybody the wait for a registry that is down (R17).
///
/// When all tries of a request have failed, and nothing else was answered meanwhile, the registry is taken for down:
/// requests fail at once, except one from time to time that asks whether it is back. The first of these goes at once, and
/// whoever comes meanwhile waits for what it finds: what failed may have been one thing only.
final class CircuitBreaker: Sendable {
    private struct State {
        /// Faults since the last good answer.
        var faults = 0
        /// Why the registry is taken for down; nil as long as it is not.
        var reason: RegistryError?
        var isAsking = false
        /// When it is asked again.
        var next = Duration.zero
    }

    /// How often it is looked whether the question is answered.
    private static let glance = Duration.milliseconds(20)

    private let name: String
    private let retry: RetryPolicy
    private let surroundings: Surroundings
    private let uptime: @Sendable () -> Duration
    private let state = Mutex(State())

    init(_ name: String, retry: RetryPolicy, surroundings: Surroundings, uptime: @escaping @Sendable () -> Duration) {
        self.name = name
        self.retry = retry
        self.surroundings = surroundings
        self.uptime = uptime
    }

    /// Lets a request through.
    ///
    /// - Throws: `RegistryError` that lasts, where the registry is down; `CancellationError`.
    func admit() async throws {
        while true {
            let isWaiting = try state.withLock { state throws(RegistryError) -> Bool in
                guard let reason = state.reason else { return false }
                if state.isAsking { return true }
                guard uptime() >= state.next else { throw reason.lasting(of: name) }
                state.isAsking = true
                return false
            }
            guard isWaiting else { return }
            try await surroundings.sleep(for: CircuitBreaker.glance)
        }
    }

    /// Something was answered, if only that there is too much to do.
    func noteAnswer() {
        state.withLock { $0 = State() }
    }

    func noteFault(_ reason: RegistryError) {
        let now = uptime()
        state.withLock { state in
            state.faults += 1
            guard state.isAsking else { return }
            state.isAsking = false
            state.reason = reason
            state.next = now + retry.maximumDelay
        }
    }

    /// The request that asks has ended without an answer and without a fault: it was cancelled.
    func noteNothing() {
        state.withLock { $0.isAsking = false }
    }

    /// A request is not tried again.
    func noteSurrender(to reason: RegistryError) {
        let now = uptime()
        state.withLock { state in
            guard state.reason == nil, state.faults >= retry.attempts else { return }
            state.reason = reason
            state.next = now
        }
    }
}
