import ArgumentParser
import Lifeboat
import OCI

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
        let moment = environment.surroundings.now()
        let definition = try await Pipeline.command(file, pipeline, in: environment, moment: moment)
        try environment.plugInCatalog(state, definition: definition.state)
        var plan = try await PipelinePlanner(environment.with(definition.settings)).plan(
            definition.steps, name: definition.name)
        if let digest = definition.digest, file != "-" {
            plan.definition = .init(
                file: file, digest: digest, moment: moment,
                inputs: pipeline.values.filter { !definition.secretInputs.contains($0.key) })
        }
        if let out { try await plan.write(to: out, in: environment.fileSystem) }
        try answer(plan, output: output, check: check)
    }
}
