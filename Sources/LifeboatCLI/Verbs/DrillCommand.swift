import ArgumentParser
import Lifeboat
import OCI
import OCIArchive
import OCIServer

struct DrillCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "drill",
        abstract: "Rehearse the outage: serve a backup, restore it into a throw-away registry, and check every byte.",
        discussion: """
            lifeboat drill /srv/nightly --sample 5 --rto 30m --rpo 24h
            lifeboat drill backup.tar --json

            The registry lives on a port of this machine and in a folder that is gone afterwards. A backup set keeps the
            result in its evidence/. Exit code: 0 if all of it went well, 78 if an objective was missed, else the class
            of what failed.
            """)

    @Argument(help: ArgumentHelp("A backup set, a plain archive or a layout folder.", valueName: "path"))
    var path: String

    @OptionGroup var choice: BackupChoice

    @Option(help: ArgumentHelp("Restore only so many images, chosen by chance.", valueName: "n"))
    var sample: Int?

    @Option(
        help: ArgumentHelp("The longest time to a full restore that is good enough, such as 30m.", valueName: "time"))
    var rto: String?

    @Option(
        help: ArgumentHelp(
            "The greatest age of the newest good backup that is good enough, such as 24h.", valueName: "time"))
    var rpo: String?

    @Option(
        help: ArgumentHelp(
            "Where the throw-away registry's folder is made (default: the user's state folder).", valueName: "dir"))
    var work: String?

    @Option(help: ArgumentHelp("Write the result as JSON to this file too.", valueName: "file"))
    var report: String?

    @OptionGroup var output: OutputFlags

    func validate() throws {
        if let sample, sample < 1 { throw ValidationError("--sample is \(sample), want 1 or more") }
    }

    func run() async throws {
        var environment = try RunEnvironment.command(nil)
        if let work { environment.workFolder = work }
        guard let definition = try await StoreDefinition.path(path, in: environment.fileSystem) else {
            throw LifeboatError(
                .notFound, "there is no backup set, archive or layout folder \(shown(path, limit: 1000))",
                advice: "check the path")
        }
        let chosen = try await chosen(definition, environment)
        let objectives = DrillObjectives(
            rto: try rto.map { try TimeSpan(parsing: $0).seconds },
            rpo: try rpo.map { try TimeSpan(parsing: $0).seconds })
        var file: ReportFile?
        if let report { file = try await ReportFile.prepare(report, in: environment.fileSystem) }
        let progress = Progress(isQuiet: output.quiet)
        let drill = Drill(environment, serving: embeddedServer(environment), observe: progress.handle)
        let result = try await drill.run(chosen, sample: sample, objectives: objectives)
        progress.end()
        try await file?.write(result.json.indented + "\n")
        Terminal.answer(output.json ? result.json.indented : result.text)
        if let note = try await drill.keep(result, of: definition) { Terminal.story("note: \(note)") }
        if result.exitCode != 0 { throw ExitCode(result.exitCode) }
    }
}

extension DrillCommand {
    private func chosen(
        _ definition: StoreDefinition, _ environment: RunEnvironment
    ) async throws -> StoreDefinition {
        guard case .backups(let path, _) = definition else {
            guard !choice.isGiven else {
                throw LifeboatError(
                    .usage, "\(shown(path, limit: 1000)) is no backup set: there is no backup to choose from")
            }
            return definition
        }
        let set = try await openSet(path, environment)
        let chosen = try await set.choose(
            choice.word, pipeline: choice.pipeline, now: environment.surroundings.now())
        if !output.quiet { for line in chosen.words { Terminal.story(line) } }
        return .backups(path: path, at: chosen.backup.id.hex)
    }
}

/// Our own server on a free port of the loopback interface.
func embeddedServer(_ environment: RunEnvironment) -> ServingStore {
    { store, writable, body in
        try await withRegistryServer(
            store: store, writable: writable, surroundings: environment.surroundings, logger: environment.logger,
            onFault: { Terminal.story("lifeboat: \($0)") }, body)
    }
}
