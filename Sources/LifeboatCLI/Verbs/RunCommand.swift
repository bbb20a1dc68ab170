import ArgumentParser
import Lifeboat

struct RunCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run", abstract: "Run the steps of a pipeline definition, in order.")

    @Argument(help: ArgumentHelp("A YAML file; pipelines/ has examples.", valueName: "pipeline"))
    var file: String

    @OptionGroup var state: StateFlags
    @OptionGroup var registries: RegistryFlags
    @OptionGroup var output: OutputFlags

    func run() async throws {
        var environment = try RunEnvironment.command(registries)
        let pipeline = try await Pipeline.read(file, from: environment.fileSystem, variables: processVariables())
        environment.plugInCatalog(state, definition: pipeline.state)
        try await LifeboatCLI.run(pipeline.steps, name: pipeline.name, in: environment, output: output)
    }
}
