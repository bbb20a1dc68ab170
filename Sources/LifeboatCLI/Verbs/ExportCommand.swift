import ArgumentParser
import Lifeboat
import OCI
import OCIArchive

struct ExportCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "export", abstract: "Export images to an OCI tar archive, an OCI layout folder or a backup set.",
        discussion: """
            lifeboat export registry.example.com/team/app:1.4 --to app.tar
            lifeboat export 'registry.example.com/team/**' debian:12 --to backup.tar.zst
            lifeboat export 'registry.example.com/team/**' --since full.tar --to delta.tar --volume-size 50GB
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

    @Option(
        help: ArgumentHelp(
            "Write a delta: only what this lacks: an archive, the lifeboat/contents of one, a backup set, or a backup (latest, an id) of the set that is exported.",
            valueName: "base"))
    var since: String?

    @Option(
        name: .customLong("volume-size"),
        help: ArgumentHelp(
            "Write the archive in volumes of at most this size (50GB, 4700MB, 650MiB), NAME.1-of-3.tar and so on.",
            valueName: "size"))
    var volumeSize: String?

    @Flag(help: "Replace an output file that holds something else.")
    var force = false

    @Flag(name: .customLong("dry-run"), help: "Say what would be moved; write nothing.")
    var dryRun = false

    @OptionGroup var selection: SelectionFlags
    @OptionGroup var registries: RegistryFlags
    @OptionGroup var output: OutputFlags

    func run() async throws {
        var environment = try RunEnvironment.command(registries, repository: selection.archive.repository)
        var targets: [CopyTarget] = []
        for path in to { targets.append(CopyTarget(store: try await target(path, in: environment))) }
        var chosen = selection
        // Of a registry there is only what it is now: then it is the base that is chosen.
        if try await !isSet(sources), let since, try await isSet([since]) { chosen.choice.pipeline = nil }
        let definitions = try await chosen.sources(sources, in: &environment, quiet: output.quiet)
        try await apply(to: targets, definitions, &environment)
        let step = CopyStep(
            kind: .export, sources: definitions, targets: targets,
            overwrite: .always, replacesFile: force)
        if dryRun { return try await printPlan(step, in: environment, output: output) }
        try await LifeboatCLI.run(
            [Step(name: "export", work: .copy(step))], name: "export", in: environment, output: output,
            answersOnStandardOutput: !to.contains("-"))
    }

    /// What is asked of the archives that are written.
    private func apply(
        to targets: [CopyTarget], _ sources: [SourceDefinition], _ environment: inout RunEnvironment
    ) async throws {
        guard since != nil || volumeSize != nil else { return }
        var base: StoreDefinition?
        if let since { base = try await self.base(since, sources, in: environment) }
        for target in targets {
            guard case .archive = target.store else {
                throw LifeboatError(
                    .usage, "--since and --volume-size go with archives, not with \(shown(target.store.description))",
                    advice: "--to FILE.tar")
            }
            var settings = ArchiveSettings()
            settings.since = base
            do {
                settings.volumeSize = try volumeSize.map { text throws(LifeboatError) in
                    try ArchiveSettings.volumeSize(text)
                }
            } catch {
                throw LifeboatError(.usage, "--volume-size: \(error.description)")
            }
            environment.settings.archives[target.store] = settings
        }
    }

    /// A file, or a backup of the set that the images come from.
    private func base(
        _ text: String, _ sources: [SourceDefinition], in environment: RunEnvironment
    ) async throws -> StoreDefinition {
        let isFile = try await archiveExists(text, environment.fileSystem)
        if !isFile, !StoreDefinition.archiveSuffixes.contains(where: text.hasSuffix) {
            for case .backups(let path, _) in sources.map(\.store) {
                return try await base(.backups(path: path, at: nil), at: text, in: environment)
            }
        }
        if isFile, let set = try await StoreDefinition.path(text, in: environment.fileSystem), case .backups = set {
            return try await base(set, at: nil, in: environment)
        }
        return .archive(path: text)
    }

    private func base(
        _ set: StoreDefinition, at word: String?, in environment: RunEnvironment
    ) async throws -> StoreDefinition {
        var choice = selection.choice
        (choice.at, choice.backup) = (word, nil)
        return try await choice.applied(to: set, in: environment, quiet: output.quiet, as: "since ")
    }

    private func isSet(_ texts: [String]) async throws -> Bool {
        for text in texts where try await BackupSet.isSet(text, in: LocalFileSystem()) { return true }
        return false
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
