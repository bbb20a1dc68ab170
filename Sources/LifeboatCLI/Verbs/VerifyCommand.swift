import ArgumentParser
import Lifeboat
import OCI

struct VerifyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "verify",
        abstract: "Read every byte and check it, or compare tags and digests with another store.",
        discussion: """
            lifeboat verify backup.tar
            lifeboat verify --deep registry.example.com/team/app:1.4
            lifeboat verify backup.tar --against registry.example.com
            lifeboat verify new.example.com --against old.example.com --deep --html certificate.html
            lifeboat verify /srv/nightly/
            lifeboat verify registry.example.com --against /srv/nightly/ --at 2026-11-20T08:00:00Z
            """)

    @Argument(help: ArgumentHelp("Archives, layout folders, images or patterns.", valueName: "path|image"))
    var sources: [String]

    @Option(
        help: ArgumentHelp(
            "Compare with what this archive, folder or registry holds under the same names.", valueName: "path|host"))
    var against: String?

    @Flag(
        help:
            "With --against: read every byte of the images again too, instead of their digests only. Without, it is read anyway."
    )
    var deep = false

    @OptionGroup var selection: SelectionFlags
    @OptionGroup var registries: RegistryFlags
    @OptionGroup var output: OutputFlags

    @OptionGroup var files: ReportFlags

    func validate() throws {
        if against == nil, !selection.images.isEmpty {
            throw ValidationError("--image goes with --against: without it all of an archive or folder is read")
        }
    }

    func run() async throws {
        var environment = try RunEnvironment.command(registries, repository: selection.archive.repository)
        guard let against else {
            let definitions = try await selection.sources(sources, in: &environment)
            return try await run([VerifyStep(sources: definitions, against: nil)], in: environment)
        }
        var measure = try await StoreDefinition.path(against, in: environment.fileSystem) ?? .registry(parsing: against)
        var chosen = selection
        if case .backups = measure {
            measure = try selection.moved(measure)
            chosen.at = nil
        }
        let definitions = try await chosen.sources(sources, in: &environment)
        try await run(definitions.map { comparison(of: $0, with: measure) }, in: environment)
    }

    /// What should be there is listed in the measure and looked up in what is checked, so that nothing can be missing
    /// unseen. Files are the other way about: a registry may hold more than they should, so every image of theirs is
    /// looked up in it.
    private func comparison(of checked: SourceDefinition, with measure: StoreDefinition) -> VerifyStep {
        guard case .registry = checked.store else {
            return VerifyStep(sources: [checked], against: measure, reread: deep ? .listed : nil)
        }
        return VerifyStep(
            sources: [SourceDefinition(store: measure, selection: checked.selection)], against: checked.store,
            reread: deep ? .compared : nil)
    }

    private func run(_ steps: [VerifyStep], in environment: RunEnvironment) async throws {
        let steps = steps.enumerated().map { number, step in
            Step(
                name: steps.count == 1 ? "verify" : "verify \(number + 1)", work: .verify(step), onError: .continue)
        }
        try await LifeboatCLI.run(steps, name: "verify", in: environment, output: output, files: files)
    }
}
