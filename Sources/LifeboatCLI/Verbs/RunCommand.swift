import ArgumentParser
import Lifeboat

struct RunCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run", abstract: "Run the steps of a pipeline definition, in order.")

    @Argument(help: ArgumentHelp("A YAML file; pipelines/ has examples.", valueName: "pipeline"))
    var file: String

    @Option(
        name: .customLong("only-failed"),
        help: ArgumentHelp(
            "Repeat only what failed, or was not reached, in the run that this report (--report) is of.",
            valueName: "report"))
    var onlyFailed: String?

    @OptionGroup var files: ReportFlags
    @OptionGroup var state: StateFlags
    @OptionGroup var registries: RegistryFlags
    @OptionGroup var output: OutputFlags

    func run() async throws {
        var environment = try RunEnvironment.command(registries)
        let pipeline = try await Pipeline.read(file, from: environment.fileSystem, variables: processVariables())
        environment.plugInCatalog(state, definition: pipeline.state)
        var steps = pipeline.steps
        if let onlyFailed {
            steps = try await FailedImages.read(onlyFailed, from: environment.fileSystem).steps(of: pipeline)
            if steps.isEmpty, !output.quiet { Terminal.story("nothing failed in that run: there is nothing to repeat") }
        }
        try await LifeboatCLI.run(steps, name: pipeline.name, in: environment, output: output, files: files)
    }
}
