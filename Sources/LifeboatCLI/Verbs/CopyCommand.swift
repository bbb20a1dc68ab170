import ArgumentParser
import Lifeboat
import OCI

struct CopyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "copy", abstract: "Copy one image, exactly as named: also digest in, tag out.")

    @Argument(help: ArgumentHelp("HOST/REPOSITORY:TAG or HOST/REPOSITORY@DIGEST", valueName: "source-image"))
    var source: String

    @Argument(help: ArgumentHelp("HOST/REPOSITORY:TAG", valueName: "target-image"))
    var target: String

    @OptionGroup var selection: SelectionFlags
    @OptionGroup var targets: TargetFlags
    @OptionGroup var state: StateFlags
    @OptionGroup var registries: RegistryFlags
    @OptionGroup var output: OutputFlags

    func run() async throws {
        var environment = try RunEnvironment.command(registries, repository: selection.archive.repository)
        try environment.plugInCatalog(state)
        let definition = try await selection.sources([source], in: &environment, quiet: output.quiet)
        guard !source.contains("*") else {
            throw LifeboatError(
                .usage, "copy takes one image, '\(shown(source))' is a pattern", advice: "lifeboat import")
        }
        if try await StoreDefinition.path(target, in: environment.fileSystem) != nil {
            throw LifeboatError(
                .usage, "copy writes to a registry, '\(shown(target))' is a file or folder",
                advice: "lifeboat export \(shown(source)) --to \(shown(target))")
        }
        guard !SourceDefinition.isRegistry(target) else {
            throw LifeboatError(
                .usage, "'\(shown(target))' is a registry without a repository",
                advice: "\(shown(target))/REPOSITORY:TAG")
        }
        let reference = try Reference(parsing: target)
        let step = CopyStep(
            kind: .copy, sources: definition, target: .registry(host: reference.registry, prefix: ""),
            naming: Naming(exact: reference), overwrite: try targets.rule)
        if targets.dryRun { return try await printPlan(step, in: environment, output: output) }
        try await LifeboatCLI.run(
            [Step(name: "copy", work: .copy(step))], name: "copy", in: environment, output: output)
    }
}
