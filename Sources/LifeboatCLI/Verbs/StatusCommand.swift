import ArgumentParser
import Glibc
import Lifeboat
import OCI
import OCIArchive

struct StatusCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status",
        abstract: "Show how the pipelines stand: last run, age of the newest good backup, next run.",
        discussion: """
            Without a PIPELINE: all whose runs are remembered on this machine, which are those that have a schedule, \
            notify or objectives, and those run with --metrics-file.

            Exit codes: 65 if a record of a set is damaged or was taken away, else 78 if an objective is missed, else 3 if the last run of a pipeline failed, else 0.
            """)

    @Argument(
        help: ArgumentHelp(
            "YAML files; their schedule and objectives are taken as they are now.", valueName: "pipeline"))
    var pipelines: [String] = []

    @Option(
        name: .customLong("state"),
        help: ArgumentHelp(
            "The folder that runs are remembered in (default: the user's state folder).", valueName: "dir"))
    var stateFolder: String?

    @OptionGroup var pipeline: PipelineFlags

    @Flag(help: "Print the answer as JSON on stdout.")
    var json = false

    func run() async throws {
        let environment = try RunEnvironment.command(nil)
        let ledger = RunLedger(stateFolder: stateFolder ?? environment.workFolder, files: environment.fileSystem)
        let note: (String) -> Void = { Terminal.story("note: " + $0) }
        var records: [RunRecord] = []
        if pipelines.isEmpty {
            records = try await ledger.records(note: note)
        } else {
            for file in pipelines {
                let definition = try await Pipeline.command(file, pipeline, in: environment)
                let path = absolutePath(file)
                var record =
                    try await ledger.record(of: path, note: note) ?? RunRecord(file: path, name: definition.name)
                record.name = definition.name
                record.schedule = definition.settings.schedule
                record.objectives = definition.settings.objectives
                // A set may have backups that were made on another machine, or before anybody remembered runs here.
                record.sets = definition.steps.keptSets
                records.append(record)
            }
        }
        let now = environment.surroundings.now()
        var states: [PipelineStatus] = []
        for record in records {
            let isRunning = try await ledger.isLocked(record.file)
            let state = try await PipelineState.now(
                record, isRunning: isRunning, surroundings: environment.surroundings, files: environment.fileSystem,
                note: note)
            states.append(PipelineStatus(state, at: now))
        }
        if json {
            Terminal.answer(PipelineStatus.json(states, at: now))
        } else {
            Terminal.answer(StatusTable.text(of: states, at: now, width: Terminal.answerWidth))
        }
        let code = PipelineStatus.exitCode(states)
        if code != 0 { throw ExitCode(code) }
    }
}
