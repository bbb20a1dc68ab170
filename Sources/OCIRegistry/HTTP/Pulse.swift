import OCI
import Synchronization

/// One beat for all watchdogs of a registry.
///
/// A timer of its own for each request would outlive it: a clock keeps what it was asked for until the time has come,
/// and a thousand requests a second leave thousands behind.
final class Pulse: Sendable {
    private struct State {
        var waiters: [UInt64: CheckedContinuation<Void, any Error>] = [:]
        var count: UInt64 = 0
        var isBeating = false
    }

    let interval: Duration
    private let surroundings: Surroundings
    private let state = Mutex(State())

    init(every interval: Duration, _ surroundings: Surroundings) {
        self.interval = interval
        self.surroundings = surroundings
    }

    /// Waits for the next beat, which comes within the interval.
    ///
    /// - Throws: `CancellationError`.
    func beat() async throws {
        let number = state.withLock { state in
            state.count += 1
            return state.count
        }
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                let begins = state.withLock { state in
                    state.waiters[number] = continuation
                    defer { state.isBeating = true }
                    return !state.isBeating
                }
                // Whoever was cancelled before is not found by the handler.
                if Task.isCancelled { leave(number) }
                if begins { Task { await run() } }
            }
        } onCancel: {
            leave(number)
        }
    }

    private func leave(_ number: UInt64) {
        state.withLock { $0.waiters.removeValue(forKey: number) }?.resume(throwing: CancellationError())
    }

    /// Beats as long as somebody waits.
    private func run() async {
        while true {
            var failure: (any Error)?
            do {
                try await surroundings.sleep(for: interval)
            } catch {
                failure = error
            }
            let waiters = state.withLock { state in
                defer { state.waiters.removeAll(keepingCapacity: true) }
                if state.waiters.isEmpty { state.isBeating = false }
                return Array(state.waiters.values)
            }
            if waiters.isEmpty { return }
            for waiter in waiters {
                if let failure { waiter.resume(throwing: failure) } else { waiter.resume() }
            }
        }
    }
}
