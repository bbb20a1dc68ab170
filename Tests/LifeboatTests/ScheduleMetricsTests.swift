import Foundation
import OCI
import TestSupport
import Testing

@testable import Lifeboat

@Suite struct ScheduleMetricsTests {
    /// A pipeline of which everything is known.
    private func state(_ name: String = "nightly") throws -> PipelineState {
        var record = RunRecord(file: "/etc/lifeboat/\(name).yaml", name: name)
        record.schedule = Schedule(cron: try CronSchedule(parsing: "0 2 * * *"))
        record.objectives = Objectives(rpo: .seconds(93_600), rto: .seconds(1800))
        var report = ScheduleSimulation.report(began: 1_795_226_400_000)
        report.steps.append(StepReport(name: "check", kind: .verify, source: "f.tar", target: ""))
        let export = Step(
            name: "backup", work: .copy(CopyStep(kind: .export, sources: [], target: .archive(path: "f"))))
        record.note(RunRecord.Outcome(report, ended: 1_795_226_640_500), report, of: [export])
        record.lastDrill = 1_795_226_640_000
        var set = SetState(path: "/srv/\(name)", backups: 3, newestGood: 1_795_226_600_000, bytes: 7, images: 2)
        set.drill = SetState.Drilled(at: 1_795_226_640_000, passed: true, secondsToFullRestore: 1799.5)
        return PipelineState(record: record, next: 1_795_312_800_000, isRunning: true, sets: [set])
    }

    @Test func `what is known is there, in the form that collectors read`() throws {
        let text = try PrometheusText(parsing: metrics(of: [try state()], version: "1.2.3"))
        #expect(text.value("lifeboat_build_info", ["version": "1.2.3"]) == 1)
        #expect(text.value("lifeboat_pipeline_last_run_timestamp_seconds", ["pipeline": "nightly"]) == 1_795_226_640.5)
        #expect(text.value("lifeboat_pipeline_last_run_duration_seconds") == 240.5)
        #expect(text.value("lifeboat_pipeline_last_good_backup_timestamp_seconds") == 1_795_226_400)
        #expect(text.value("lifeboat_pipeline_next_run_timestamp_seconds") == 1_795_312_800)
        #expect(text.value("lifeboat_pipeline_objective_rpo_seconds") == 93_600)
        #expect(text.value("lifeboat_pipeline_last_run_failures", ["class": "damaged"]) == 0)
        #expect(text.value("lifeboat_pipeline_runs_total", ["result": "success"]) == 1)
        #expect(text.value("lifeboat_pipeline_running") == 1)
        #expect(
            text.value("lifeboat_set_newest_good_backup_timestamp_seconds", ["set": "/srv/nightly"]) == 1_795_226_600)
        #expect(text.value("lifeboat_pipeline_objective_rto_seconds") == 1800)
        #expect(text.value("lifeboat_set_last_drill_success", ["set": "/srv/nightly"]) == 1)
        #expect(text.value("lifeboat_set_full_restore_seconds") == 1799.5)
        #expect(text.kinds["lifeboat_pipeline_runs_total"] == "counter")
    }

    @Test func `a name with quotes, backslashes and line ends stays one label`() throws {
        let name = "a\"b\\c\nd{}=,é"
        let text = try PrometheusText(parsing: metrics(of: [try state(name), try state()], version: "1"))
        #expect(text.value("lifeboat_pipeline_running", ["pipeline": name]) == 1)
        #expect(text.samples.count { $0.name == "lifeboat_pipeline_running" } == 2)
    }

    @Test func `before the first run only what is known is said`() throws {
        let record = RunRecord(file: "/p.yaml", name: "p")
        let text = try PrometheusText(parsing: metrics(of: [PipelineState(record: record)], version: "1"))
        #expect(text.value("lifeboat_pipeline_failing") == 0)
        #expect(text.value("lifeboat_pipeline_last_run_exit_code") == nil)
        #expect(text.value("lifeboat_pipeline_last_good_backup_timestamp_seconds") == nil)
        _ = try PrometheusText(parsing: metrics(of: [], version: "1"))
    }

    @Test func `every name is explained in the operations guide, and no other`() throws {
        let url = Fixtures.package.appendingPathComponent("docs/operations.md")
        let guide = try String(contentsOf: url, encoding: .utf8)
        let names = try PrometheusText(parsing: metrics(of: [try state()], version: "1")).kinds.keys
        for name in names { #expect(guide.contains("| `\(name)`"), "\(name) is not in the table") }
        let rows = guide.split(separator: "\n").filter {
            $0.hasPrefix("| `lifeboat_pipeline_") || $0.hasPrefix("| `lifeboat_set_")
                || $0.hasPrefix("| `lifeboat_build_")
        }
        for row in rows {
            let name = String(row.dropFirst(3).prefix { $0 != "`" })
            #expect(names.contains(name), "\(name) is in the table and not in the metrics")
        }
    }

    @Test(.enabled(if: Program.exists("promtool"), "promtool is not installed"))
    func `promtool finds nothing to mend`() async throws {
        try await withTemporaryFolder { folder in
            try Data(metrics(of: [try state(), try state("weekly")], version: "1").utf8)
                .write(to: URL(fileURLWithPath: folder + "/x.prom"))
            let result = try await Program.run("promtool", ["check", "metrics"], input: folder + "/x.prom")
            #expect(result.status == 0, "\(result.output)\(result.errors)")
            #expect((result.output + result.errors).isEmpty)
        }
    }

    @Test func `an objective is missed by age, and where there is no backup at all`() throws {
        let state = try state()
        let backup: Int64 = 1_795_226_600_000  // the set's, which is newer than the record's
        #expect(PipelineStatus(state, at: backup + 93_600_000).missed == [])
        #expect(
            PipelineStatus(state, at: backup + 93_600_001).missed == [
                "the newest good backup is 26 h old, want 26 h at most"
            ])
        var never = PipelineState(record: RunRecord(file: "/p.yaml", name: "p"))
        #expect(PipelineStatus(never, at: 0).missed == [])
        never.record.objectives.rpo = .seconds(60)
        let status = PipelineStatus(never, at: 0)
        #expect(status.missed == ["no good backup is known, want one not older than 60 s"])
        #expect(PipelineStatus.exitCode([PipelineStatus(state, at: backup)]) == 0)
        #expect(PipelineStatus.exitCode([PipelineStatus(state, at: backup), status]) == 78)
        var failing = state
        failing.record.failingSince = 1
        #expect(PipelineStatus.exitCode([PipelineStatus(failing, at: backup)]) == 3)
    }

    @Test func `the time of a restore is what the newest drill has shown`() throws {
        var state = try state()
        let now: Int64 = 1_795_226_640_000
        state.sets.append(SetState(path: "/srv/old", backups: 1, newestGood: nil, bytes: 0, images: 0))
        state.sets[1].drill = SetState.Drilled(at: now - 1, passed: true, secondsToFullRestore: 7200)
        #expect(PipelineStatus(state, at: now).missed == [])
        state.sets[0].drill?.secondsToFullRestore = 1801
        #expect(
            PipelineStatus(state, at: now).missed == [
                "a full restore took 30 min 1 s in the drill of \(Figures.instant(now)), want 30 min 0 s at most"
            ])
        #expect(PipelineStatus.exitCode([PipelineStatus(state, at: now)]) == 78)
        state.sets[0].drill?.secondsToFullRestore = nil
        let unknown =
            "no drill has shown how long a full restore takes, want 30 min 0 s at most: lifeboat drill /srv/nightly"
        #expect(PipelineStatus(state, at: now).missed == [unknown])
        state.sets = [state.sets[0]]
        state.sets[0].drill = nil
        #expect(PipelineStatus(state, at: now).missed == [unknown])
    }

    @Test(
        arguments: [
            (0, "0 s"), (119_999, "119 s"), (120_000, "2 min"), (7_199_000, "119 min"), (7_200_000, "2 h"),
            (259_199_000, "71 h"), (259_200_000, "3 d"), (8_640_000_000, "100 d"),
        ] as [(Int64, String)])
    func `ages are short`(_ milliseconds: Int64, _ expected: String) {
        #expect(Figures.span(milliseconds) == expected)
    }
}
