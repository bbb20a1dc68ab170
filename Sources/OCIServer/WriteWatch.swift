import NIOCore
import OCI
import Synchronization

/// Ends a connection whose client has stopped reading: the library waits for it without limit.
struct WriteWatch: Sendable {
    /// The longest time that one write may wait.
    let patience: Duration
    let surroundings: Surroundings

    /// Runs `body`; closes `channel` when a write that it announces lasts longer than the patience.
    func watch(
        _ channel: any Channel, isolation: isolated (any Actor)? = #isolation,
        _ body: (WriteProgress) async throws -> Void
    ) async throws {
        let progress = WriteProgress(on: channel.eventLoop)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                var seen = -1
                while true {
                    let now = progress.count
                    if now == seen, progress.isWriting { break }
                    seen = now
                    try await surroundings.sleep(for: patience)
                }
                channel.close(mode: .all, promise: nil)
            }
            defer { group.cancelAll() }
            try await body(progress)
        }
    }
}

/// Counts the writes of one answer.
final class WriteProgress: Sendable {
    // Odd while a write is under way.
    private let steps = Atomic<Int>(0)
    private let loop: any EventLoop

    init(on loop: any EventLoop) {
        self.loop = loop
    }

    var count: Int { steps.load(ordering: .relaxed) }
    var isWriting: Bool { count % 2 == 1 }

    func write(isolation: isolated (any Actor)? = #isolation, _ body: () async throws -> Void) async throws {
        steps.add(1, ordering: .relaxed)
        try await body()
        // The library asks whether the client still takes anything only when the event loop gets to what was written:
        // 200 clients that read nothing had 1.3 GB waiting there before it did.
        try await loop.submit {}.get()
        steps.add(1, ordering: .relaxed)
    }
}
