import OCI
import OCIArchive
import Synchronization

/// Runs pipelines at their times until it is stopped.
///
/// Each pipeline has a task of its own and never runs twice at once. Times that pass while it runs are left out.
public struct ScheduleService: Sendable {
    /// A run that begins this much later than it should counts as missed.
    static let lateness: Int64 = 600_000
    /// How often the clock and the definition are looked at while nothing happens: either may be changed.
    static let pause = Duration.seconds(60)
    /// Times of a schedule that are dealt with further ahead than this were so by a clock that was wrong.
    static let clockTolerance: Int64 = 86_400_000

    private let watch: Watch
    private let files: any FileSystem
    private let surroundings: Surroundings
    private let board: ScheduleBoard
    /// Reads a definition as it is now.
    private let read: @Sendable (String) async throws -> Pipeline
    private let perform: @Sendable (Pipeline) async throws -> Report
    private let story: @Sendable (String) -> Void

    public init(
        watch: Watch, board: ScheduleBoard, files: any FileSystem, surroundings: Surroundings,
        read: @escaping @Sendable (String) async throws -> Pipeline,
        perform: @escaping @Sendable (Pipeline) async throws -> Report, story: @escaping @Sendable (String) -> Void
    ) {
        self.watch = watch
        self.board = board
        self.files = files
        self.surroundings = surroundings
        self.read = read
        self.perform = perform
        self.story = story
    }

    /// Reads all definitions, then runs each at its times.
    ///
    /// - Parameter paths: absolute.
    /// - Throws: `CancellationError` when it is stopped; before that what reading a definition throws, `LifeboatError`
    ///   `.policy` for one without a schedule, and where nothing can be remembered.
    public func run(_ paths: [String]) async throws {
        var pipelines: [(path: String, pipeline: Pipeline)] = []
        for path in paths {
            let pipeline = try await read(path)
            guard pipeline.settings.schedule != nil else {
                throw LifeboatError(
                    .policy, "\(shown(path, limit: 1000)) has no schedule",
                    advice: "add schedule: {cron: \"0 2 * * *\"}, or lifeboat run")
            }
            pipelines.append((path, pipeline))
        }
        for (path, pipeline) in pipelines {
            var record =
                try await watch.ledger.record(of: path, note: story) ?? RunRecord(file: path, name: pipeline.name)
            record.name = pipeline.name
            record.schedule = pipeline.settings.schedule
            record.objectives = pipeline.settings.objectives
            record.settled = settled(record, pipeline.settings.schedule)
            // That it can be written is known before the night.
            try await watch.ledger.save(record)
            try await show(record)
        }
        try await withThrowingTaskGroup(of: Void.self) { group in
            for (path, pipeline) in pipelines {
                group.addTask { try await self.follow(path, pipeline) }
            }
            try await group.waitForAll()
        }
    }

    /// Up to when the times of a schedule are dealt with when the service starts.
    private func settled(_ record: RunRecord, _ schedule: Schedule?) -> Int64 {
        let now = surroundings.now()
        guard schedule?.catchesUp ?? true, let settled = record.settled, settled <= now + ScheduleService.clockTolerance
        else { return now }
        return settled
    }

    private func follow(_ path: String, _ pipeline: Pipeline) async throws {
        var course = Course(
            path: path, pipeline: pipeline, settled: board.record(of: path)?.settled ?? surroundings.now())
        course.stamp = try await stamp(path)
        while true {
            try Task.checkCancellation()
            let now = surroundings.now()
            if course.settled > now + ScheduleService.clockTolerance {
                story("\(course.name): the clock was put back by more than a day; it goes on from now")
                course.settled = now
            }
            course.plan(surroundings.random)
            board.setNext(course.start, of: path)
            guard let due = course.due, let start = course.start, start <= now else {
                let left = course.start.map { Duration.milliseconds($0 - now) } ?? ScheduleService.pause
                try await surroundings.sleep(for: min(left, ScheduleService.pause))
                try await course.refresh(stamp(path), read, story)
                continue
            }
            let isMissed = now - start > ScheduleService.lateness
            if isMissed, course.pipeline.settings.schedule?.catchesUp == false {
                story("\(course.name): the run of \(Figures.instant(due)) was missed, and is not made up for")
                course.settled = now
                continue
            }
            if isMissed { story("\(course.name): makes up for the run of \(Figures.instant(due)), which was missed") }
            try await run(&course, due)
        }
    }

    private func run(_ course: inout Course, _ due: Int64) async throws {
        let (path, known) = (course.path, course.pipeline)
        let latest = Mutex(known)
        course.stamp = try await stamp(path)
        board.setRunning(true, path)
        defer { board.setRunning(false, path) }
        do {
            let record = try await watch.run(path, due: due) { [read, perform] in
                do {
                    let pipeline = try await read(path)
                    latest.withLock { $0 = pipeline }
                    return Watch.Work(pipeline, try await perform(pipeline))
                } catch {
                    return Watch.Work(failed: error, known: known)
                }
            }
            course.pipeline = latest.withLock { $0 }
            if let record {
                try await show(record)
                tell(record)
            } else {
                story("\(course.name): the run of \(Figures.instant(due)) was made by another process")
            }
        } catch let error as LifeboatError where error.kind == .locked {
            story("\(course.name): \(error.description); this time is left out")
        } catch let error as any Failure {
            // The disk may be full or gone: the service stays, and says it at every turn.
            story("\(course.name): \(error.description)")
        }
        try Task.checkCancellation()
        course.settled = max(due, surroundings.now())
    }

    private func show(_ record: RunRecord) async throws {
        board.set(
            try await PipelineState.now(
                record, surroundings: surroundings, files: files, note: { story("\(record.name): \($0)") }))
    }

    private func tell(_ record: RunRecord) {
        guard let last = record.last, !last.isSuccess, !last.wasStopped else { return }
        story("\(shown(record.name, limit: 200)): failed with exit code \(last.exitCode): \(last.message ?? "")")
    }

    private func stamp(_ path: String) async throws -> String? {
        try await files.status(path, followLinks: true)?.stamp
    }
}

/// Where a pipeline is on its way from one run to the next.
private struct Course {
    let path: String
    var pipeline: Pipeline
    /// The times up to here are dealt with, in milliseconds since 1970.
    var settled: Int64
    /// The next time of the schedule, and when the run of it begins.
    var due: Int64?
    var start: Int64?
    /// Of the definition's file when it was read last.
    var stamp: String?

    var name: String { shown(pipeline.name, limit: 200) }

    init(path: String, pipeline: Pipeline, settled: Int64) {
        self.path = path
        self.pipeline = pipeline
        self.settled = settled
    }

    /// Finds the next time; the jitter of one that is known already stays.
    mutating func plan(_ random: () -> UInt64) {
        let next = pipeline.settings.schedule?.next(after: settled)
        if next == due, start != nil || next == nil { return }
        due = next
        let jitter = pipeline.settings.schedule?.jitter ?? 0
        start = next.map { jitter > 0 ? $0 + Int64(random() % UInt64(jitter)) : $0 }
    }

    /// Takes a definition that has changed. One that cannot be read changes nothing before it is to be run.
    mutating func refresh(
        _ stamp: String?, _ read: (String) async throws -> Pipeline, _ story: (String) -> Void
    ) async throws {
        guard stamp != self.stamp else { return }
        self.stamp = stamp
        do {
            pipeline = try await read(path)
            due = nil
            start = nil
            story("\(name): the definition was read again")
        } catch let error as any Failure {
            story("\(name): the definition has changed and is wrong now; its next run will fail\n\(error.description)")
        }
    }
}
