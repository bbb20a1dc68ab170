import ArgumentParser
import Lifeboat
import OCI

struct ImportCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "import", abstract: "Import images into a registry, from another one or from an archive.",
        discussion: """
            An image keeps its repository name at the target.

            lifeboat import 'old.example.com/**' --to new.example.com
            lifeboat import backup.tar --image 'team/**' --to new.example.com/restored
            """)

    @Argument(
        help: ArgumentHelp(
            "Images, patterns, archives (- is stdin) or layout folders.", valueName: "source"))
    var sources: [String]

    @Option(
        help: ArgumentHelp(
            "The registry, and what to put before every repository name. May be repeated: everything is read once.",
            valueName: "host[/prefix]"))
    var to: [String]

    @Flag(
        help:
            "Read every byte of the images that the target has already, and send again what is missing or damaged there."
    )
    var repair = false

    @Option(
        name: .customLong("on-error"),
        help: ArgumentHelp(
            "continue: take from an archive that is cut off or damaged the images that are whole in it, and exit with 3. Images that fail never keep the others from arriving.",
            valueName: "stop|continue"))
    var onError = OnError.stop

    @Option(
        help: ArgumentHelp(
            "Only what came from this registry, of an archive, a folder or a set that holds several; none for what came from nobody knows where.",
            valueName: "host|none"))
    var registry: String?

    @OptionGroup var selection: SelectionFlags
    @OptionGroup var rules: TargetFlags
    @OptionGroup var state: StateFlags
    @OptionGroup var registries: RegistryFlags
    @OptionGroup var output: OutputFlags

    func run() async throws {
        var environment = try RunEnvironment.command(registries, repository: selection.archive.repository)
        try environment.plugInCatalog(state)
        let targets = try to.map { text in
            let store = try StoreDefinition.registry(parsing: text)
            return CopyTarget(store: store, naming: Naming().under(store))
        }
        var definitions = try await selection.sources(sources, in: &environment, quiet: output.quiet)
        if let registry {
            for number in definitions.indices {
                if case .registry(let host, _) = definitions[number].store {
                    throw LifeboatError(
                        .usage, "--registry chooses from an archive, a folder or a set, and \(shown(host)) is none")
                }
                definitions[number].selection.origin = Selection.Origin(parsing: registry)
            }
        }
        var step = CopyStep(
            kind: .import, sources: definitions, targets: targets,
            overwrite: try rules.rule)
        step.repairs = repair
        if rules.dryRun { return try await printPlan(step, in: environment, output: output) }
        try await LifeboatCLI.run(
            [Step(name: "import", work: .copy(step), onError: onError)], name: "import", in: environment, output: output
        )
    }
}

extension OnError: ExpressibleByArgument {}
