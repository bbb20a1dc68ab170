import ArgumentParser
import Lifeboat
import OCI

struct ExportCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "export", abstract: "Export images to an OCI tar archive, an OCI layout folder or a backup set.",
        discussion: """
            lifeboat export registry.example.com/team/app:1.4 --to app.tar
            lifeboat export 'registry.example.com/team/**' debian:12 --to backup.tar.zst
            lifeboat export 'registry.example.com/**' --to /srv/nightly/    # made by lifeboat backups init
            lifeboat export /srv/nightly/ --at 2026-11-20T08:00:00Z --to full.tar
            """)

    @Argument(
        help: ArgumentHelp(
            "Images (HOST/REPOSITORY:TAG), patterns ('HOST/team/**', 'HOST/apps/*:1.*'), archives or layout folders.",
            valueName: "source"))
    var sources: [String]

    @Option(
        help: ArgumentHelp(
            "x.tar, x.tar.zst, x.tar.xz, x.tar.gz, - for stdout, DIR/ for an OCI layout, or the folder of a backup set. May be repeated: everything is read once.",
            valueName: "path"))
    var to: [String]

    @Flag(help: "Replace an output file that holds something else.")
    var force = false

    @Flag(name: .customLong("dry-run"), help: "Say what would be moved; write nothing.")
    var dryRun = false

    @OptionGroup var selection: SelectionFlags
    @OptionGroup var registries: RegistryFlags
    @OptionGroup var output: OutputFlags

    func run() async throws {
        let environment = try RunEnvironment.command(registries, repository: selection.repository)
        var targets: [CopyTarget] = []
        for path in to { targets.append(CopyTarget(store: try await target(path, in: environment))) }
        let step = CopyStep(
            kind: .export, sources: try await selection.sources(sources, in: environment), targets: targets,
            overwrite: .always, replacesFile: force)
        if dryRun { return try await printPlan(step, in: environment, output: output) }
        try await LifeboatCLI.run(
            [Step(name: "export", work: .copy(step))], name: "export", in: environment, output: output,
            answersOnStandardOutput: !to.contains("-"))
    }

    private func target(_ path: String, in environment: RunEnvironment) async throws -> StoreDefinition {
        if let target = try await StoreDefinition.path(path, in: environment.fileSystem) { return target }
        throw LifeboatError(
            .usage, "'\(shown(path))' is no file that can be written",
            advice:
                "a name that ends in \(StoreDefinition.archiveSuffixes.joined(separator: ", ")), - for stdout, or a folder with a slash at its end"
        )
    }
}
