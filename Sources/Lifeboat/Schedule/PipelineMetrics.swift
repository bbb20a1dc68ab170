import OCI

/// What is known of one pipeline at this moment.
public struct PipelineState: Sendable {
    public var record: RunRecord
    /// When it runs next, in milliseconds since 1970; nil if nothing is to start it.
    public var next: Int64?
    public var isRunning = false
    /// The sets that it writes, as far as they can be read.
    public var sets: [SetState] = []

    public init(record: RunRecord, next: Int64? = nil, isRunning: Bool = false, sets: [SetState] = []) {
        self.record = record
        self.next = next
        self.isRunning = isRunning
        self.sets = sets
    }
}

/// The metrics of pipelines, as `/metrics` and `--metrics-file` have them; docs/operations.md lists the names.
public func metrics(of states: [PipelineState], version: String) -> String {
    var text = MetricsText()
    typealias Samples = [(labels: [(String, String)], value: Double?)]
    func each(_ value: (PipelineState) -> Double?) -> Samples {
        states.map { ([("pipeline", $0.record.name), ("definition", $0.record.file)], value($0)) }
    }
    func each(_ values: (PipelineState) -> [(label: (String, String), value: Double)]) -> Samples {
        states.flatMap { state in
            values(state).map {
                ([("pipeline", state.record.name), ("definition", state.record.file), $0.label], $0.value)
            }
        }
    }
    func seconds(_ moment: Int64?) -> Double? { moment.map { Double($0) / 1000 } }

    text.add("lifeboat_build_info", .gauge, "The version of lifeboat.", [([("version", version)], 1)])
    text.add(
        "lifeboat_pipeline_last_run_timestamp_seconds", .gauge, "When the last run ended.",
        each { seconds($0.record.last?.ended) })
    text.add(
        "lifeboat_pipeline_last_run_duration_seconds", .gauge, "How long the last run took.",
        each { $0.record.last?.seconds })
    text.add(
        "lifeboat_pipeline_last_run_exit_code", .gauge, "What the last run ended with; 0 is a success.",
        each { $0.record.last.map { Double($0.exitCode) } })
    text.add(
        "lifeboat_pipeline_last_run_images", .gauge, "Images of the last run, by what became of them.",
        each { state in
            guard let last = state.record.last else { return [] }
            return [
                (("outcome", "done"), Double(last.done)), (("outcome", "already_there"), Double(last.alreadyThere)),
                (("outcome", "failed"), Double(last.failed)),
            ]
        })
    text.add(
        "lifeboat_pipeline_last_run_bytes", .gauge, "Bytes that the last run read from its sources.",
        each { $0.record.last.map { Double($0.bytesMoved) } })
    text.add(
        "lifeboat_pipeline_last_run_failures", .gauge, "Failures of the last run, by class.",
        each { state in
            guard let last = state.record.last else { return [] }
            return FailureKind.allCases.map {
                (("class", $0.rawValue), Double(last.failures[$0.rawValue] ?? 0))
            }
        })
    text.add(
        "lifeboat_pipeline_last_success_timestamp_seconds", .gauge, "When the last run that succeeded ended.",
        each { seconds($0.record.lastSuccess) })
    text.add(
        "lifeboat_pipeline_last_good_backup_timestamp_seconds", .gauge,
        "When the newest run began that brought a good backup; time() minus this is its age.",
        each { seconds($0.record.lastBackup) })
    text.add(
        "lifeboat_pipeline_last_verify_timestamp_seconds", .gauge, "When a step of it last verified something.",
        each { seconds($0.record.lastVerify) })
    text.add(
        "lifeboat_pipeline_last_drill_timestamp_seconds", .gauge, "When a drill of it last succeeded.",
        each { seconds($0.record.lastDrill) })
    text.add(
        "lifeboat_pipeline_next_run_timestamp_seconds", .gauge, "When it runs next.", each { seconds($0.next) })
    text.add(
        "lifeboat_pipeline_objective_rpo_seconds", .gauge, "The greatest age that the newest good backup may have.",
        each { seconds($0.record.objectives.rpo?.milliseconds) })
    text.add(
        "lifeboat_pipeline_objective_rto_seconds", .gauge, "The longest time that a full restore may take.",
        each { seconds($0.record.objectives.rto?.milliseconds) })
    text.add(
        "lifeboat_pipeline_failing", .gauge, "1 while the last run that was not stopped has failed.",
        each { $0.record.isFailing ? 1 : 0 })
    text.add("lifeboat_pipeline_running", .gauge, "1 while it runs.", each { $0.isRunning ? 1 : 0 })
    text.add(
        "lifeboat_pipeline_runs_total", .counter, "Runs that were not stopped, by how they ended.",
        each { state in
            [
                (("result", "success"), Double(state.record.successes)),
                (("result", "failure"), Double(state.record.failures)),
            ]
        })
    addSets(states.flatMap(\.sets).uniqued(), to: &text)
    return text.text
}

private func addSets(_ sets: [SetState], to text: inout MetricsText) {
    func each(_ value: (SetState) -> Double?) -> [(labels: [(String, String)], value: Double?)] {
        sets.map { ([("set", $0.path)], value($0)) }
    }
    text.add("lifeboat_set_backups", .gauge, "Backups in the set.", each { Double($0.backups) })
    text.add(
        "lifeboat_set_newest_good_backup_timestamp_seconds", .gauge,
        "When the newest backup was taken that is complete and not suspect.",
        each { $0.newestGood.map { Double($0) / 1000 } })
    text.add(
        "lifeboat_set_bytes", .gauge, "Unique bytes that the newest backup refers to.", each { Double($0.bytes) })
    text.add("lifeboat_set_images", .gauge, "Images in the newest backup.", each { Double($0.images) })
    text.add(
        "lifeboat_set_last_drill_timestamp_seconds", .gauge, "When a restore of the set was last rehearsed.",
        each { $0.drill.map { Double($0.at) / 1000 } })
    text.add(
        "lifeboat_set_last_drill_success", .gauge, "1 if that went well and reached the objectives.",
        each { $0.drill.map { $0.passed ? 1 : 0 } })
    text.add(
        "lifeboat_set_full_restore_seconds", .gauge, "How long a full restore took in that, or would have taken.",
        each { $0.drill?.secondsToFullRestore })
}
