import Synchronization

extension Transfer {
    /// Runs `body` for every job, started in order, as many at a time as prove to be useful.
    ///
    /// - Parameter observe: what the body has to tell its bytes to.
    func forEachJob(
        _ jobs: [BlobJobs.Job],
        _ body:
            @escaping @Sendable (_ job: BlobJobs.Job, _ observe: @escaping RunObserver)
            async throws -> Void
    ) async throws {
        let moved = Moved()
        let observe: RunObserver = { [observe] event in
            if case .moved(let bytes) = event { moved.add(bytes) }
            observe(event)
        }
        let began = ContinuousClock.now
        try await withThrowingTaskGroup(of: Void.self) { group in
            var level = Level(first: concurrency, most: mostConcurrency ?? concurrency, bytes: 0, at: .zero)
            var running = 0
            for job in jobs {
                while running >= level.count {
                    try await group.next()
                    running -= 1
                    level.noteArrival(bytes: moved.bytes, at: began.duration(to: .now))
                }
                group.addTask { try await body(job, observe) }
                running += 1
            }
            try await group.waitForAll()
        }
    }

    private final class Moved: Sendable {
        private let count = Atomic<Int64>(0)

        var bytes: Int64 { count.load(ordering: .relaxed) }

        func add(_ bytes: Int) { count.add(Int64(bytes), ordering: .relaxed) }
    }
}
