import Glibc
import OCI
import Synchronization

/// Runs pipelines one at a time each, remembers how they ended, and tells who is to be told.
public struct Watch: Sendable {
    public let ledger: RunLedger
    private let notifier: Notifier
    private let surroundings: Surroundings
    /// Is given a line for what a reader should know and that does not end the run.
    private let story: @Sendable (String) -> Void

    public init(
        ledger: RunLedger, sender: any NoticeSender, surroundings: Surroundings,
        story: @escaping @Sendable (String) -> Void
    ) {
        self.ledger = ledger
        self.notifier = Notifier(sender: sender, surroundings: surroundings)
        self.surroundings = surroundings
        self.story = story
    }

    /// What the record of a run is made of.
    public struct Work: Sendable {
        var name: String
        var settings: PipelineSettings
        var steps: [Step]
        var result: Result<Report, any Error>

        public init(_ pipeline: Pipeline, _ report: Report) {
            name = pipeline.name
            settings = pipeline.settings
            steps = pipeline.steps
            result = .success(report)
        }

        /// - Parameter known: the definition as it was when it could still be read.
        public init(failed error: any Error, known: Pipeline) {
            name = known.name
            settings = known.settings
            steps = known.steps
            result = .failure(error)
        }
    }

    /// Runs a pipeline while no other process does.
    ///
    /// - Parameters:
    ///   - file: the definition, absolute.
    ///   - due: the time of the schedule that this run is for; nil if somebody asked for it.
    ///   - settles: up to when the schedule is dealt with once this run has ended.
    /// - Returns: the record; nil if another process has dealt with that time already.
    /// - Throws: `LifeboatError` `.locked`; `FileError` where nothing can be remembered.
    public func run(
        _ file: String, due: Int64? = nil, _ work: @Sendable () async -> Work
    ) async throws -> RunRecord? {
        let lock = try await ledger.lock(file)
        let record: RunRecord?
        do {
            record = try await runLocked(file, due, work)
        } catch {
            try await Task { try await lock.release() }.value
            throw error
        }
        // Not of this task, which may have been asked to stop.
        try await Task { try await lock.release() }.value
        return record
    }

    /// Runs a pipeline that somebody asked for. Where nothing can be remembered it is run all the same.
    ///
    /// - Returns: the report, and the record if it could be kept.
    /// - Throws: `LifeboatError` `.locked`.
    public func run(
        _ pipeline: Pipeline, in file: String, _ work: @escaping @Sendable () async -> Report
    ) async throws -> (Report, RunRecord?) {
        let finished = Mutex<Report?>(nil)
        do {
            let record = try await run(file) {
                let report = await work()
                finished.withLock { $0 = report }
                return Work(pipeline, report)
            }
            if let report = finished.withLock({ $0 }) { return (report, record) }
        } catch let error as any Failure where error.kind != .locked {
            story("this run is not remembered: \(error.description)")
        }
        if let report = finished.withLock({ $0 }) { return (report, nil) }
        return (await work(), nil)
    }

    private func runLocked(_ file: String, _ due: Int64?, _ work: @Sendable () async -> Work) async throws -> RunRecord?
    {
        let known = try await ledger.record(of: file, note: story)
        let began = surroundings.now()
        if let due, let settled = known?.settled, settled >= due,
            settled <= began + ScheduleService.clockTolerance
        {
            return nil
        }
        let work = await work()
        let wasCancelled = Task.isCancelled
        // What has happened is written down and told also when we are asked to stop.
        return try await Task {
            var record = known ?? RunRecord(file: file, name: work.name)
            let wasFailing = record.isFailing
            take(work, began, wasCancelled: wasCancelled, into: &record)
            if let due, record.last?.wasStopped == false { record.settled = max(due, surroundings.now()) }
            if wasFailing, record.last?.isSuccess == true {
                record.owed = Set(work.settings.notifications.onRecovery.map(\.mark))
            }
            if record.isFailing { record.owed = [] }
            let told: Bool
            do {
                try await ledger.save(record)
                told = await tell(work.settings.notifications, &record)
            } catch {
                // Nobody would hear of it otherwise.
                _ = await tell(work.settings.notifications, &record)
                throw error
            }
            if told { try await ledger.save(record) }
            return record
        }.value
    }

    private func take(_ work: Work, _ began: Int64, wasCancelled: Bool, into record: inout RunRecord) {
        record.name = work.name
        record.schedule = work.settings.schedule
        record.objectives = work.settings.objectives
        record.sets = work.steps.keptSets
        let ended = surroundings.now()
        switch work.result {
        case .success(let report):
            var outcome = RunRecord.Outcome(report, ended: ended)
            outcome.wasStopped = wasCancelled && report.exitCode != 0
            record.note(outcome, report, of: work.steps)
        case .failure(let error):
            var outcome = RunRecord.Outcome(error, began: began, ended: ended)
            outcome.wasStopped = wasCancelled || error is CancellationError
            record.note(outcome, nil, of: work.steps)
        }
    }

    /// Tells of a failure and a recovery once each, and of every success.
    ///
    /// - Returns: whether the record has changed by that.
    private func tell(_ notifications: Notifications, _ record: inout RunRecord) async -> Bool {
        let before = record
        if record.last?.wasStopped ?? true { return false }
        if record.isFailing {
            let unaware = notifications.onFailure.filter { !before.told.contains($0.mark) }
            for channel in unaware where await tell(.failure, before, channel) { record.told.insert(channel.mark) }
        } else {
            record.told = []
            for channel in notifications.onRecovery where before.owed.contains(channel.mark) {
                if await tell(.recovery, before, channel) { record.owed.remove(channel.mark) }
            }
            for channel in notifications.onSuccess { _ = await tell(.success, before, channel) }
        }
        return record != before
    }

    private func tell(_ event: Notice.Event, _ record: RunRecord, _ channel: NoticeChannel) async -> Bool {
        do {
            let notice = Notice(event, record, host: Watch.hostName, sent: surroundings.now())
            try await notifier.send(notice, to: channel)
            return true
        } catch {
            story("\(event.rawValue) of \(shown(record.name, limit: 200)): \(FailureReport(error).message)")
            return false
        }
    }

    private static let hostName: String = {
        var name = [CChar](repeating: 0, count: 256)
        guard gethostname(&name, name.count - 1) == 0 else { return "unknown" }
        return shown(String(decoding: name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self), limit: 255)
    }()
}

extension [Step] {
    /// Folders of the backup sets that they write.
    public var keptSets: [String] {
        flatMap(\.work.kept).compactMap { if case .backups(let path, _) = $0 { path } else { nil } }.uniqued()
    }
}

extension Pipeline {
    /// Whether its runs are remembered, and two of them never run at the same time: so where anything depends on it.
    public var isWatched: Bool {
        settings.schedule != nil || !settings.notifications.isEmpty || settings.objectives != Objectives()
    }
}
