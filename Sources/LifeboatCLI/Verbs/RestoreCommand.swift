import ArgumentParser
import Lifeboat
import OCI
import OCIArchive

struct RestoreCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "restore",
        abstract: "Bring a backup of a set into a registry, and check there that all of it arrived.",
        discussion: """
            What the registry was at a time, or at the latest complete backup. What is there already is not sent again.

            lifeboat restore /srv/nightly --to new.example.com
            lifeboat restore /srv/nightly --to new.example.com --at 2026-11-20T08:00:00Z --first 'platform/**'
            """)

    @Argument(help: ArgumentHelp("The folder of a backup set.", valueName: "set"))
    var path: String

    @Option(help: ArgumentHelp("The registry, and what to put before every repository.", valueName: "host[/prefix]"))
    var to: String

    @OptionGroup var choice: BackupChoice

    @Option(
        name: .customLong("image"),
        help: ArgumentHelp(
            "Only what matches, such as 'team/**' or 'apps/*:1.*'. May be repeated.", valueName: "pattern")
    )
    var images: [String] = []

    @Option(
        help: ArgumentHelp(
            "Only what came from this registry, of a set that holds several; none for what came from nobody knows where.",
            valueName: "host|none"))
    var registry: String?

    @Option(
        help: ArgumentHelp(
            "Rename repositories: a regular expression for the whole name, and what it becomes (\\1 is its first group). The first that matches counts. May be repeated.",
            valueName: "from=into"))
    var rename: [String] = []

    @Option(
        help: ArgumentHelp(
            "What matters most and is brought first, such as 'platform/**'. May be repeated, in order.",
            valueName: "pattern"))
    var first: [String] = []

    @OptionGroup var rules: TargetFlags
    @OptionGroup var state: StateFlags
    @OptionGroup var registries: RegistryFlags
    @OptionGroup var files: ReportFlags
    @OptionGroup var output: OutputFlags

    func run() async throws {
        var environment = try RunEnvironment.command(registries)
        try environment.plugInCatalog(state)
        try await ReportFiles.around(files, name: "restore", in: environment) { [environment] reports in
            try await run(in: environment, reports)
        }
    }

    private func run(in environment: RunEnvironment, _ reports: ReportFiles) async throws {
        let set = try await BackupSet.open(
            path, surroundings: environment.surroundings, files: environment.fileSystem)
        let chosen = try await set.choose(
            choice.word, pipeline: choice.pipeline, now: environment.surroundings.now())
        for line in chosen.words { Terminal.story(line) }
        let target = try StoreDefinition.registry(parsing: to)
        var naming = Naming()
        naming.rename = try rename.map { text in
            guard let equals = text.firstIndex(of: "=") else {
                throw LifeboatError(.usage, "--rename is '\(shown(text, limit: 80))', want FROM=INTO")
            }
            return try Rewrite(
                from: String(text[..<equals]), into: String(text[text.index(after: equals)...]))
        }
        let selection = Selection(
            rules: (images.isEmpty ? ["**"] : images).map { SelectionRule(pattern: $0) },
            origin: registry.map { Selection.Origin(parsing: $0) })
        let source = SourceDefinition(
            store: .backups(path: path, at: chosen.backup.id.description), selection: selection)
        var step = CopyStep(
            kind: .import, sources: [source],
            targets: [CopyTarget(store: target, naming: naming.under(target))], overwrite: try rules.rule)
        step.first = first.map { SelectionRule(pattern: $0) }
        if rules.dryRun { return try await printPlan(step, in: environment, output: output) }
        let check = VerifyStep(sources: [source], against: target, naming: naming)
        var restore = Step(name: "restore", work: .copy(step), onError: .continue)
        restore.mustBePlanned = true
        try await LifeboatCLI.run(
            [restore, Step(name: "check", work: .verify(check))], name: "restore", in: environment, output: output,
            reports: reports)
    }
}
