import Foundation
import OCI
import OCIArchive
import Synchronization
import TestSupport
import Testing

@testable import Lifeboat

@Suite struct ScheduleServiceTests {
    private static let definition = """
        schedule: {cron: "30 2 * * *", timezone: Europe/Berlin}
        notify:
          onFailure: [{webhook: "https://hooks.example.com/x", secret: $HMAC}]
          onRecovery: [{webhook: "https://hooks.example.com/x", secret: $HMAC}]
        objectives: {rpo: 26h}
        """

    @Test func `ten days with clocks put forward, two failing nights and three missed runs`() async throws {
        try await withTemporaryFolder { folder in
            let simulation = try ScheduleSimulation(folder, from: "2026-03-25T00:00:00Z", Self.definition)
            let failing: @Sendable (String) async -> FailureReport? = {
                $0 == "2026-03-27" || $0 == "2026-03-28" ? ScheduleSimulation.down : nil
            }
            try await simulation.serve(until: "2026-03-30T12:00:00Z", failing)
            simulation.time.set("2026-04-02T12:00:00Z")
            try await simulation.serve(until: "2026-04-04T00:00:00Z", failing)
            #expect(
                simulation.runs.all == [
                    "2026-03-25T01:30", "2026-03-26T01:30", "2026-03-27T01:30", "2026-03-28T01:30",
                    "2026-03-29T01:00",  // 02:30 does not exist: once, at the jump
                    "2026-03-30T00:30",
                    "2026-04-02T12:00",  // one for the three that were missed
                    "2026-04-03T00:30",
                ])
            #expect(simulation.sent.lines == ["failure", "recovery"])
            let record = try #require(try await simulation.ledger.record(of: simulation.file, note: { _ in }))
            #expect((record.successes, record.failures) == (6, 2))
            #expect(!record.isFailing)
            #expect(record.lastBackup == SimulatedTime.milliseconds("2026-04-03T00:30:00Z"))
        }
    }

    @Test func `ten days with clocks put back: a time that comes twice runs once`() async throws {
        try await withTemporaryFolder { folder in
            let simulation = try ScheduleSimulation(folder, from: "2026-10-20T00:00:00Z", Self.definition)
            // The service is stopped and started between the two half past twos.
            try await simulation.serve(until: "2026-10-25T00:50:00Z")
            try await simulation.serve(until: "2026-10-30T00:00:00Z")
            #expect(
                simulation.runs.all == [
                    "2026-10-20T00:30", "2026-10-21T00:30", "2026-10-22T00:30", "2026-10-23T00:30", "2026-10-24T00:30",
                    "2026-10-25T00:30", "2026-10-26T01:30", "2026-10-27T01:30", "2026-10-28T01:30", "2026-10-29T01:30",
                ])
            #expect(simulation.sent.lines.isEmpty)
        }
    }

    @Test func `with catchUp false nothing is made up for`() async throws {
        try await withTemporaryFolder { folder in
            let simulation = try ScheduleSimulation(
                folder, from: "2026-11-01T00:00:00Z", "schedule: {cron: \"0 2 * * *\", catchUp: false}")
            try await simulation.serve(until: "2026-11-01T12:00:00Z")
            simulation.time.set("2026-11-04T12:00:00Z")
            try await simulation.serve(until: "2026-11-05T12:00:00Z")
            #expect(simulation.runs.all == ["2026-11-01T02:00", "2026-11-05T02:00"])
        }
    }

    @Test func `a run that takes longer than the time to the next one is not overtaken`() async throws {
        try await withTemporaryFolder { folder in
            let simulation = try ScheduleSimulation(
                folder, from: "2026-11-01T00:00:00Z", "schedule: {cron: \"*/2 * * * *\"}")
            try await simulation.serve(until: "2026-11-01T00:13:00Z")  // each takes four minutes
            #expect(simulation.runs.all == ["2026-11-01T00:02", "2026-11-01T00:08"])
        }
    }

    @Test func `a run that was stopped is neither a failure nor a success, and is made again`() async throws {
        try await withTemporaryFolder { folder in
            let simulation = try ScheduleSimulation(folder, from: "2026-11-01T00:00:00Z", Self.definition)
            let watch = simulation.watch
            let pipeline = try await Pipeline.read(
                simulation.file, from: LocalFileSystem(), variables: ["HMAC": "key"])
            let task = Task {
                try await watch.run(simulation.file, due: 1) {
                    withUnsafeCurrentTask { $0?.cancel() }
                    return Watch.Work(pipeline, ScheduleSimulation.report(FailureReport(CancellationError())))
                }
            }
            let record = try #require(try await task.value)
            #expect(record.last?.wasStopped == true)
            #expect(!record.isFailing && record.failures == 0 && record.settled == nil)
            #expect(simulation.sent.lines.isEmpty)
            #expect(try await !simulation.ledger.isLocked(simulation.file))
        }
    }

    @Test func `a definition is read again before each run, and a broken one is a failed run`() async throws {
        try await withTemporaryFolder { folder in
            let simulation = try ScheduleSimulation(folder, from: "2026-11-01T00:00:00Z", Self.definition)
            try await simulation.serve(until: "2026-11-03T12:00:00Z") { day in
                if day == "2026-11-01" { try! simulation.write(Self.definition + "\nstepps: []") }
                return nil
            }
            let record = try #require(try await simulation.ledger.record(of: simulation.file, note: { _ in }))
            #expect(simulation.runs.all == ["2026-11-01T01:30"])
            #expect(simulation.sent.lines == ["failure"])
            #expect(record.last?.exitCode == 78 && record.failures == 2)
            #expect(record.last?.message?.contains("stepps") ?? false)
            try simulation.write(Self.definition)
            try await simulation.serve(until: "2026-11-04T12:00:00Z")
            #expect(simulation.runs.all.last == "2026-11-04T01:30")
            #expect(simulation.sent.lines == ["failure", "recovery"])
        }
    }

    @Test func `a schedule that is changed counts from the next minute on`() async throws {
        try await withTemporaryFolder { folder in
            let simulation = try ScheduleSimulation(
                folder, from: "2026-11-01T00:00:00Z", "schedule: {cron: \"0 2 * * *\"}")
            try await simulation.serve(until: "2026-11-01T23:00:00Z") { day in
                try! simulation.write("schedule: {cron: \"0 17 * * *\"}")
                return nil
            }
            #expect(simulation.runs.all == ["2026-11-01T02:00", "2026-11-01T17:00"])
        }
    }

    @Test func `a run is put off by its jitter, and the next one counts from its time all the same`() async throws {
        try await withTemporaryFolder { folder in
            let simulation = try ScheduleSimulation(
                folder, from: "2026-11-01T00:00:00Z", "schedule: {cron: \"0 2 * * *\", jitter: 10m}")
            let random = Mutex<UInt64>(0)
            var surroundings = simulation.time.surroundings
            surroundings.random = {
                random.withLock {
                    $0 += 180_000; return $0
                }
            }
            simulation.time.stop(at: "2026-11-03T12:00:00Z")
            let service = ScheduleService(
                watch: simulation.watch, board: ScheduleBoard(), files: LocalFileSystem(), surroundings: surroundings,
                read: { try await Pipeline.read($0, from: LocalFileSystem(), variables: [:]) },
                perform: { _ in
                    simulation.runs.add(Figures.instant(simulation.time.now.milliseconds))
                    return ScheduleSimulation.report()
                }, story: { _ in })
            await #expect(throws: CancellationError.self) { try await service.run([simulation.file]) }
            #expect(
                simulation.runs.all == ["2026-11-01T02:03:00Z", "2026-11-02T02:06:00Z", "2026-11-03T02:09:00Z"])
        }
    }

    @Test func `of two services over one state folder one makes each run`() async throws {
        try await withTemporaryFolder { folder in
            let simulation = try ScheduleSimulation(
                folder, from: "2026-11-01T00:00:00Z", "schedule: {cron: \"0 2 * * *\"}")
            try await simulation.serve(until: "2026-11-02T12:00:00Z")
            let before = simulation.runs.all
            // The other one was at the same times, a moment later: they are dealt with.
            let due = SimulatedTime.milliseconds("2026-11-02T02:00:00Z")
            let record = try await simulation.watch.run(simulation.file, due: due) {
                Issue.record("it ran twice")
                return Watch.Work(failed: CancellationError(), known: Pipeline(name: "", steps: []))
            }
            #expect(record == nil)
            #expect(before == ["2026-11-01T02:00", "2026-11-02T02:00"])
        }
    }

    @Test func `a clock that was years ahead does not stop the schedule for years`() async throws {
        try await withTemporaryFolder { folder in
            let simulation = try ScheduleSimulation(
                folder, from: "2036-11-01T00:00:00Z", "schedule: {cron: \"0 2 * * *\"}")
            try await simulation.serve(until: "2036-11-01T12:00:00Z")
            simulation.time.set("2026-11-01T00:00:00Z")
            try await simulation.serve(until: "2026-11-02T12:00:00Z")
            #expect(simulation.runs.all == ["2036-11-01T02:00", "2026-11-01T02:00", "2026-11-02T02:00"])
        }
    }

    @Test(.enabled(if: Program.exists("flock"), "flock is not installed"))
    func `while another process runs it, a run says so and does nothing`() async throws {
        try await withTemporaryFolder { folder in
            let simulation = try ScheduleSimulation(folder, from: "2026-11-01T00:00:00Z", Self.definition)
            try await simulation.ledger.lock(simulation.file).release()
            let names = try FileManager.default.contentsOfDirectory(atPath: folder + "/state/pipelines")
            let lock = try #require(names.first { $0.hasSuffix(".lock") })
            let other = try RunningProgram("flock", ["--no-fork", folder + "/state/pipelines/" + lock, "sleep", "600"])
            defer {
                other.signal(SIGTERM)
                other.endBlocking()
            }
            while try await !simulation.ledger.isLocked(simulation.file) {
                try await Task.sleep(for: .milliseconds(10))
            }
            let error = await #expect(throws: LifeboatError.self) {
                try await simulation.watch.run(simulation.file) {
                    Issue.record("it ran")
                    return Watch.Work(failed: CancellationError(), known: Pipeline(name: "", steps: []))
                }
            }
            #expect(error?.kind == .locked)
            #expect(error?.description == "another run of \(simulation.file) is at work")
            try await simulation.serve(until: "2026-11-01T12:00:00Z")
            #expect(simulation.runs.all.isEmpty)
            #expect(simulation.story.all.contains { $0.hasSuffix("is at work; this time is left out") })
        }
    }

    @Test func `a record that is damaged is set aside and said, and the service goes on`() async throws {
        try await withTemporaryFolder { folder in
            let simulation = try ScheduleSimulation(folder, from: "2026-11-01T00:00:00Z", Self.definition)
            try await simulation.serve(until: "2026-11-01T12:00:00Z")
            let state = folder + "/state/pipelines/"
            let name = try #require(
                try FileManager.default.contentsOfDirectory(atPath: state).first { $0.hasSuffix(".json") })
            let whole = try Data(contentsOf: URL(fileURLWithPath: state + name))
            for damage in [Data(), whole.prefix(40), Data("[]".utf8), Data(repeating: 0, count: 100)] {
                try damage.write(to: URL(fileURLWithPath: state + name))
                let before = simulation.story.all.count
                let record = try await simulation.ledger.record(of: simulation.file) { simulation.story.add($0) }
                #expect(record == nil)
                #expect(simulation.story.all.count == before + 1)
                #expect(simulation.story.all.last?.contains("is lost") ?? false)
            }
            try await simulation.serve(until: "2026-11-02T12:00:00Z")
            #expect(simulation.runs.all.last == "2026-11-02T01:30")
        }
    }

    @Test func `a record is the same after it was written and read`() throws {
        var record = RunRecord(file: "/a/b \"c\".yaml", name: "x\ny")
        record.schedule = Schedule(
            cron: try CronSchedule(parsing: "0 2 * * *"), zone: try ZoneClock(named: "Europe/Berlin"), jitter: 5,
            catchesUp: false)
        record.objectives = Objectives(rpo: .seconds(1), rto: .seconds(2))
        record.told = ["a"]
        record.owed = ["b"]
        record.sets = ["/srv/nightly"]
        record.settled = 7
        record.note(
            RunRecord.Outcome(LifeboatError(.local, "full", advice: "make room"), began: 1, ended: 2), nil, of: [])
        #expect(try RunRecord(JSONValue(parsing: Array(record.json.text.utf8), in: "test")) == record)
    }

    @Test func `a backup counts as good only where every export and every check of the run succeeded`() {
        let export = Step(
            name: "backup",
            work: .copy(
                CopyStep(
                    kind: .export, sources: [], target: .archive(path: "f.tar"))))
        var check = StepReport(name: "check", kind: .verify, source: "f.tar", target: "")
        var report = ScheduleSimulation.report(began: 5)
        report.steps.append(check)
        var record = RunRecord(file: "/p.yaml", name: "p")
        record.note(RunRecord.Outcome(report, ended: 9), report, of: [export])
        #expect(record.lastBackup == 5 && record.lastVerify == 9)
        check.error = FailureReport(LifeboatError(.damaged, "a bit"))
        report.began = 15
        report.steps[1] = check
        record.note(RunRecord.Outcome(report, ended: 19), report, of: [export])
        #expect(record.lastBackup == 5 && record.lastVerify == 9 && record.failingSince == 19)
        // A step that was not reached is not in the report.
        report.steps = []
        record.note(RunRecord.Outcome(report, ended: 29), report, of: [export])
        #expect(record.lastBackup == 5)
    }
}
