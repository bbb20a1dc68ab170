import ArgumentParser
import Lifeboat
import OCI

struct RepairCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "repair", abstract: "Make a damaged archive or layout folder what it was, bit for bit.",
        discussion: """
            Only what is damaged or missing is fetched. An archive is written anew beside its name, with what is right in \
            it, is read again and then takes the name; the room for it has to be there. Of a compressed archive \
            everything behind the first damage is fetched. A layout folder is repaired blob by blob.

            lifeboat repair backup.tar --from registry.example.com
            lifeboat repair backup.tar --from offsite.tar --from registry.example.com
            lifeboat repair backup.1-of-3.tar --from registry.example.com    # all volumes that are there
            """)

    @Argument(help: ArgumentHelp("The archive or layout folder; of volumes any of them.", valueName: "path"))
    var path: String

    @Option(
        help: ArgumentHelp(
            "A registry, archive, layout folder or backup set that has what is lost. May be repeated: asked in order.",
            valueName: "host|path"))
    var from: [String]

    @OptionGroup var registries: RegistryFlags
    @OptionGroup var output: OutputFlags

    func run() async throws {
        let environment = try RunEnvironment.command(registries)
        guard let file = try await StoreDefinition.path(path, in: environment.fileSystem) else {
            throw LifeboatError(
                .usage, "'\(shown(path))' is no archive and no layout folder", advice: "check the path")
        }
        var origins: [StoreDefinition] = []
        for text in from {
            origins.append(
                try await StoreDefinition.path(text, in: environment.fileSystem) ?? .registry(parsing: text))
        }
        guard !origins.contains(file) else {
            throw LifeboatError(
                .usage, "\(shown(path)) cannot be repaired from itself", advice: "--from another copy, or a registry")
        }
        let progress = Progress(isQuiet: output.quiet)
        let report = await FileRepair(environment, observe: progress.handle).run(file, from: origins)
        progress.end()
        try answer(report, output: output)
    }
}
