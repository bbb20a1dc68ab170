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
            lifeboat verify new.example.com/mirror --against old.example.com
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
        if against == nil, selection.choice.isGiven {
            throw ValidationError(
                "--at, --backup and --pipeline go with --against: without it all backups of a set are read")
        }
    }

    func run() async throws {
        let environment = try RunEnvironment.command(registries, repository: selection.archive.repository)
        try await ReportFiles.around(files, name: "verify", in: environment) { reports in
            try await run(in: environment, reports)
        }
    }

    private func run(in environment: RunEnvironment, _ reports: ReportFiles) async throws {
        var environment = environment
        guard let against else {
            let definitions = try await selection.sources(
                sources, in: &environment, quiet: output.quiet, choosing: false)
            return try await run([VerifyStep(sources: definitions, against: nil)], in: environment, reports)
        }
        var measure = try await StoreDefinition.path(against, in: environment.fileSystem) ?? .registry(parsing: against)
        var chosen = selection
        if case .backups = measure {
            measure = try await selection.choice.applied(to: measure, in: environment, quiet: output.quiet)
            chosen.choice.clear()
        }
        var steps: [VerifyStep] = []
        for text in sources {
            if let part = try await part(text, by: measure, in: environment) {
                let wanted = try await chosen.sources(
                    [against], in: &environment, quiet: output.quiet, choosing: false)
                steps += wanted.map { wanted in
                    VerifyStep(
                        sources: [SourceDefinition(store: measure, selection: wanted.selection)], against: part,
                        reread: deep ? .compared : nil)
                }
            } else {
                let definitions = try await chosen.sources([text], in: &environment, quiet: output.quiet)
                steps += definitions.map { comparison(of: $0, with: measure) }
            }
        }
        try await run(steps, in: environment, reports)
    }

    /// `HOST/PREFIX`, as an import has written to it; nil for what is an image, a pattern or a file.
    ///
    /// Without a tag it may be an image as well: it is one if the measure has that repository.
    private func part(
        _ text: String, by measure: StoreDefinition, in environment: RunEnvironment
    ) async throws -> StoreDefinition? {
        if case .registry(_, let part) = measure, !part.isEmpty { return nil }
        guard try await StoreDefinition.path(text, in: environment.fileSystem) == nil,
            let slash = text.firstIndex(of: "/"), Reference.isHost(text[..<slash]),
            !text[slash...].contains(where: { ":@*?".contains($0) }),
            case .registry(_, let prefix) = try StoreDefinition.registry(parsing: text), !prefix.isEmpty
        else { return nil }
        var wanted = Selection.all
        // To list a registry is to ask for each of its tags.
        if case .registry = measure { wanted = Selection(rules: [SelectionRule(pattern: prefix + ":*")]) }
        let named = SourceDefinition(store: measure, selection: wanted)
        let held = try await Survey(environment).list(named, readsGraphs: false)
        if held.contains(where: { $0.image?.repository.description == prefix }) { return nil }
        return try StoreDefinition.registry(parsing: text)
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

    private func run(_ steps: [VerifyStep], in environment: RunEnvironment, _ reports: ReportFiles) async throws {
        let steps = steps.enumerated().map { number, step in
            Step(
                name: steps.count == 1 ? "verify" : "verify \(number + 1)", work: .verify(step), onError: .continue)
        }
        try await LifeboatCLI.run(steps, name: "verify", in: environment, output: output, reports: reports)
    }
}
