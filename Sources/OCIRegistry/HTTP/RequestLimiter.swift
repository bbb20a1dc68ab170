import Synchronization

/// Lets a limited number of requests be under way at once, first come, first served.
///
/// The limit finds its own level: a registry that is overloaded halves it, and answers raise it again, one by one.
/// Uploads never take the last place: an upload waits for the download that feeds it, maybe from the same registry,
/// so downloads must be able to go on when all uploads wait.
final class RequestLimiter: Sendable {
    enum Use: Sendable { case upload, other }

    /// One place in each direction.
    private static let least = 2
    /// Where fewer are under way than this, they can hardly be too many.
    private static let few = 8
    /// How many times as many answers as there are places raise the limit by one.
    private static let calm = 4

    private struct State {
        /// What there is, and what of it is ours.
        let all: Int
        var most: Int
        var limit: Int
        var used = 0
        var uploads = 0
        /// Changes with every fall: what began before tells nothing about the new limit.
        var era = 0
        /// Good answers since the limit changed.
        var answers = 0
        var next: UInt64 = 0
        var waiters: [(id: UInt64, use: Use, continuation: CheckedContinuation<Void, any Error>)] = []

        mutating func take(_ use: Use) -> Bool {
            guard used < limit, use == .other || uploads < limit - 1 else { return false }
            used += 1
            if use == .upload { uploads += 1 }
            return true
        }

        /// The waiters that can go now.
        mutating func admit() -> [CheckedContinuation<Void, any Error>] {
            var admitted: [CheckedContinuation<Void, any Error>] = []
            var number = 0
            while used < limit, number < waiters.count {
                if take(waiters[number].use) {
                    admitted.append(waiters.remove(at: number).continuation)
                } else {
                    number += 1
                }
            }
            return admitted
        }
    }

    private let state: Mutex<State>

    /// - Parameter limit: the most at once; 1 counts as 2, one in each direction.
    init(limit: Int) {
        let most = max(RequestLimiter.least, limit)
        state = Mutex(State(all: most, most: most, limit: most))
    }

    /// Takes one of so many equal parts of what there is, at least one place in each direction.
    func divide(by parts: Int) {
        let admitted = state.withLock { state -> [CheckedContinuation<Void, any Error>] in
            let most = max(RequestLimiter.least, state.all / max(1, parts))
            guard most != state.most else { return [] }
            // A registry that is overloaded gets more by and by only.
            state.limit = state.limit == state.most ? most : min(state.limit, most)
            state.most = most
            return state.admit()
        }
        for continuation in admitted { continuation.resume() }
    }

    func withPlace<R>(_ use: Use, _ body: () async throws -> R) async throws -> R {
        try await enter(use)
        defer { leave(use) }
        return try await body()
    }

    /// Free places that nobody waits for.
    var spare: Int { state.withLock { $0.waiters.isEmpty ? max(0, $0.limit - $0.used) : 0 } }

    /// How many may be under way now.
    var limit: Int { state.withLock { $0.limit } }

    // MARK: The level

    /// What a request keeps from its beginning to its end.
    var era: Int { state.withLock { $0.era } }

    /// The registry has said, or shown, that it has too much to do.
    ///
    /// - Parameter era: when the request began to which it said so.
    func fall(since era: Int) {
        state.withLock { state in
            guard era == state.era else { return }
            state.limit = max(RequestLimiter.least, min(state.limit, max(state.used, RequestLimiter.few)) / 2)
            state.era += 1
            state.answers = 0
        }
    }

    /// The registry has answered as it should.
    func rise() {
        let admitted = state.withLock { state -> [CheckedContinuation<Void, any Error>] in
            guard state.limit < state.most else { return [] }
            state.answers += 1
            guard state.answers >= state.limit * RequestLimiter.calm else { return [] }
            state.answers = 0
            state.limit += 1
            return state.admit()
        }
        for continuation in admitted { continuation.resume() }
    }

    // MARK: Places

    private func enter(_ use: Use) async throws {
        let id = state.withLock { state in
            state.next += 1
            return state.next
        }
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                let isFree = state.withLock { state in
                    // Cancellation that came before is seen here, one that comes later finds the waiter.
                    if !Task.isCancelled, state.take(use) { return true }
                    state.waiters.append((id, use, continuation))
                    return false
                }
                if isFree { continuation.resume() } else if Task.isCancelled { giveUp(id) }
            }
        } onCancel: {
            giveUp(id)
        }
    }

    private func giveUp(_ id: UInt64) {
        let waiter = state.withLock { state in
            state.waiters.firstIndex { $0.id == id }.map { state.waiters.remove(at: $0).continuation }
        }
        waiter?.resume(throwing: CancellationError())
    }

    private func leave(_ use: Use) {
        let admitted = state.withLock { state in
            state.used -= 1
            if use == .upload { state.uploads -= 1 }
            return state.admit()
        }
        for continuation in admitted { continuation.resume() }
    }
}
