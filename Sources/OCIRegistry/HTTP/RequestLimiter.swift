import Synchronization

/// Lets a limited number of requests be under way at once, first come, first served.
///
/// Uploads never take the last place: an upload waits for the download that feeds it, maybe from the same registry,
/// so downloads must be able to go on when all uploads wait.
final class RequestLimiter: Sendable {
    enum Use: Sendable { case upload, other }

    private struct State {
        var free: Int
        var freeForUploads: Int
        var next: UInt64 = 0
        var waiters: [(id: UInt64, use: Use, continuation: CheckedContinuation<Void, any Error>)] = []

        mutating func take(_ use: Use) -> Bool {
            guard free > 0, use == .other || freeForUploads > 0 else { return false }
            free -= 1
            if use == .upload { freeForUploads -= 1 }
            return true
        }

        /// The waiters that can go now.
        mutating func admit() -> [CheckedContinuation<Void, any Error>] {
            var admitted: [CheckedContinuation<Void, any Error>] = []
            var number = 0
            while free > 0, number < waiters.count {
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

    /// - Parameter limit: 1 counts as 2, one in each direction.
    init(limit: Int) {
        state = Mutex(State(free: max(2, limit), freeForUploads: max(2, limit) - 1))
    }

    func withPlace<R>(_ use: Use, _ body: () async throws -> R) async throws -> R {
        try await enter(use)
        defer { leave(use) }
        return try await body()
    }

    /// Free places that nobody waits for.
    var spare: Int { state.withLock { $0.waiters.isEmpty ? $0.free : 0 } }

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
            state.free += 1
            if use == .upload { state.freeForUploads += 1 }
            return state.admit()
        }
        for continuation in admitted { continuation.resume() }
    }
}
