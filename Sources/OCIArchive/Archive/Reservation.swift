import Synchronization

/// Reserves the space of a file while it is being written already.
///
/// In steps: nothing else can be written meanwhile.
final class Reservation: Sendable {
    private static let step: Int64 = 32 << 20

    private struct State {
        var task: Task<Void, any Error>?
        var fault: (any Error)?
    }

    private let state = Mutex(State())

    /// Once at most.
    func begin(of size: Int64, in file: any File) {
        // Not a child task: it goes on while blobs come and go.
        let task = Task {
            do {
                for start in stride(from: 0, to: size, by: Int64.Stride(Reservation.step)) {
                    try Task.checkCancellation()
                    try await file.reserve(start..<min(start + Reservation.step, size))
                }
            } catch {
                state.withLock { $0.fault = error }
                throw error
            }
        }
        state.withLock { $0.task = task }
    }

    /// - Throws: what has gone wrong so far, such as `FileError` for a full disk.
    func check() throws {
        if let fault = state.withLock({ $0.fault }) { throw fault }
    }

    /// Waits until all of it is reserved.
    func end() async throws {
        try await state.withLock { $0.task }?.value
    }

    func cancel() async {
        let task = state.withLock { $0.task }
        task?.cancel()
        _ = await task?.result
    }
}
