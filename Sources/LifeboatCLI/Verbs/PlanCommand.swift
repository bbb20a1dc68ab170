import ArgumentParser
import Lifeboat
import OCI
import OCIArchive

struct PlanCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "plan", abstract: "Say what a pipeline would move, image by image; write nothing.",
        discussion: """
            lifeboat plan nightly.yaml
            lifeboat plan nightly.yaml --out plan.json && lifeboat run plan.json

            Exit codes: 0, or 4 with --check where something would change; 3 where some images cannot be moved.
            """)

    @Argument(help: ArgumentHelp("A YAML file; - is stdin.", valueName: "pipeline"))
    var file: String

    @Option(help: ArgumentHelp("Keep the plan in this file; lifeboat run does exactly that.", valueName: "file"))
    var out: String?

    @Flag(help: "Exit with 4 if anything would change.")
    var check = false

    @OptionGroup var state: StateFlags
    @OptionGroup var pipeline: PipelineFlags
    @OptionGroup var registries: RegistryFlags
    @OptionGroup var output: OutputFlags

    func validate() throws {
        if out != nil, file == "-" {
            throw ValidationError("--out wants a definition in a file, since lifeboat run reads it again")
        }
    }

    func run() async throws {
        var environment = try RunEnvironment.command(registries)
        if try await PipelinePlan.read(file, from: environment.fileSystem) != nil {
            throw LifeboatError(
                .usage, "\(shown(file, limit: 1000)) is a plan already",
                advice: "lifeboat run \(shown(file, limit: 1000)) does it; lifeboat plan takes a definition")
        }
        var kept: ReportFile?
        if let out { kept = try await ReportFile.prepare(out, replacing: .plan, in: environment.fileSystem) }
        var context = pipeline.context(environment)
        let path = file == "-" ? nil : absolutePath(file)
        context.folder = path.map { parentFolder(of: $0) }
        let definition = try await Pipeline.command(file, context, in: environment)
        try environment.plugInCatalog(state, definition: definition.state)
        var plan = try await PipelinePlanner(environment.with(definition.settings)).plan(
            definition.steps, name: definition.name)
        if let folder = context.folder { plan.makeRelative(to: folder) }
        if let digest = definition.digest, let path {
            plan.definition = .init(
                file: PlanCommand.name(of: path, from: parentFolder(of: absolutePath(out ?? "plan.json"))),
                digest: digest, moment: context.moment, inputs: definition.values, variables: definition.variables)
        }
        if let kept { try await plan.write(to: kept) }
        try answer(plan, output: output, check: check, keptIn: out)
    }

    /// Where the definition lies as seen from the plan: both may be moved together.
    private static func name(of path: String, from folder: String) -> String {
        let prefix = folder == "/" ? folder : folder + "/"
        return path.hasPrefix(prefix) ? String(path.dropFirst(prefix.count)) : path
    }
}
