import ArgumentParser
import Lifeboat
import OCI

struct BackupsAddCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "add", abstract: "Add an archive from elsewhere to a set, as a backup of its own.",
        discussion: """
            lifeboat backups add /srv/nightly handover.tar
            """)

    @Argument(help: ArgumentHelp("The folder of a backup set.", valueName: "set"))
    var path: String

    @Argument(help: ArgumentHelp("An archive or an OCI layout folder.", valueName: "archive"))
    var archive: String

    @OptionGroup var selection: SelectionFlags
    @OptionGroup var output: OutputFlags

    func run() async throws {
        var environment = try RunEnvironment.command(nil, repository: selection.archive.repository)
        guard case .backups(let set, _)? = try await StoreDefinition.path(path, in: environment.fileSystem) else {
            throw LifeboatError(
                .usage, "\(shown(path, limit: 1000)) is not a backup set", advice: "lifeboat backups init makes one")
        }
        let sources = try await selection.sources([archive], in: &environment, quiet: output.quiet)
        for case .archive(let path) in sources.map(\.store) {
            environment.settings.archives[.archive(path: path), default: ArchiveSettings()].joinedSet = set
        }
        let step = CopyStep(
            kind: .export, sources: sources,
            target: .backups(path: set, at: nil))
        try await LifeboatCLI.run(
            [Step(name: "add", work: .copy(step))], name: "backups add", in: environment, output: output)
    }
}
