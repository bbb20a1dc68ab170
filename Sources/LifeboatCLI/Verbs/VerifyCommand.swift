import ArgumentParser
import Lifeboat
import OCI

struct VerifyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "verify",
        abstract: "Read every byte and check it, or compare tags and digests with another store.",
        discussion: """
            lifeboat verify backup.tar
            lifeboat verify registry.example.com/team/app:1.4
            lifeboat verify backup.tar --against registry.example.com
            lifeboat verify new.example.com --against old.example.com --deep --html certificate.html
            """)

    @Argument(help: ArgumentHelp("Archives, layout folders, images or patterns.", valueName: "path|image"))
    var sources: [String]

    @Option(
        help: ArgumentHelp(
            "Compare with what this archive, folder or registry holds under the same names.", valueName: "path|host"))
    var against: String?

    @Flag(help: "With --against: read every byte of the images again too, instead of their digests only.")
    var deep = false

    @OptionGroup var selection: SelectionFlags
    @OptionGroup var registries: RegistryFlags
    @OptionGroup var output: OutputFlags

    @OptionGroup var files: ReportFlags

    func validate() throws {
        if deep, against == nil {
            throw ValidationError("--deep goes with --against: without it every byte is read anyway")
        }
    }

    func run() async throws {
        let environment = try RunEnvironment.command(registries, repository: selection.repository)
        let definitions = try await selection.sources(sources, in: environment)
        var other: StoreDefinition?
        var naming = Naming()
        if let against {
            let store =
                try await StoreDefinition.path(against, in: environment.fileSystem) ?? .registry(parsing: against)
            if case .registry(_, let prefix) = store { naming.prefix = prefix }
            other = store
        }
        let step = VerifyStep(sources: definitions, against: other, naming: naming, reread: deep ? .listed : nil)
        try await LifeboatCLI.run(
            [Step(name: "verify", work: .verify(step))], name: "verify", in: environment, output: output,
            files: files)
    }
}
