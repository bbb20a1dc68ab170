import ArgumentParser
import Lifeboat
import OCI
import OCIArchive

struct RunCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run", abstract: "Run the steps of a pipeline definition, in order, or a plan of them.")

    @Argument(
        help: ArgumentHelp(
            "A YAML file (pipelines/ has examples), or what lifeboat plan --out has written.", valueName: "pipeline"))
    var file: String

    @Option(
        name: .customLong("only-failed"),
        help: ArgumentHelp(
            "Repeat only what failed, or was not reached, in the run that this report (--report) is of.",
            valueName: "report"))
    var onlyFailed: String?

    @OptionGroup var files: ReportFlags
    @OptionGroup var metrics: MetricsFlags
    @OptionGroup var state: StateFlags
    @OptionGroup var pipeline: PipelineFlags
    @OptionGroup var registries: RegistryFlags
    @OptionGroup var output: OutputFlags

    func run() async throws {
        let environment = try RunEnvironment.command(registries)
        let name = shown(String(file.split(separator: "/").last ?? "run"), limit: 200)
        try await ReportFiles.around(files, name: name, in: environment) { files in
            if let plan = try await PipelinePlan.read(file, from: environment.fileSystem) {
                return try await run(plan, in: environment, files)
            }
            let definition: Pipeline
            do {
                definition = try await Pipeline.command(file, pipeline.context(environment), in: environment)
            } catch let error as DefinitionError {
                try await tell(of: error, in: environment)
                throw error
            }
            try await run(definition, in: environment, files)
        }
    }

    private func run(_ definition: Pipeline, in environment: RunEnvironment, _ files: ReportFiles) async throws {
        var environment = environment
        try environment.plugInCatalog(state, definition: definition.state)
        var steps = definition.steps
        if let onlyFailed {
            steps = try await FailedImages.read(onlyFailed, from: environment.fileSystem).steps(of: definition)
            if steps.isEmpty, !output.quiet { Terminal.story("nothing failed in that run: there is nothing to repeat") }
        }
        try await perform(steps, of: definition, file, in: environment.with(definition.settings), files)
    }

    /// Runs exactly what a plan says: first all of it is held against the world as it is.
    private func run(_ plan: PipelinePlan, in environment: RunEnvironment, _ files: ReportFiles) async throws {
        guard let planned = plan.definition else {
            throw LifeboatError(.policy, "the plan \(shown(file, limit: 1000)) does not say which definition it is of")
        }
        let path = absolutePath(
            planned.file.hasPrefix("/") ? planned.file : parentFolder(of: file) + "/" + planned.file)
        let folder = parentFolder(of: path)
        // What the plan was made with counts, whoever runs it, wherever; passwords come from here.
        let context = PipelineContext(
            variables: processVariables().merging(planned.variables) { $1 },
            inputs: planned.inputs.merging(pipeline.values) { $1 }, moment: planned.moment, folder: folder)
        let definition = try await Pipeline.command(path, context, in: environment)
        guard definition.digest == planned.digest else {
            throw LifeboatError(
                .conflict, "\(shown(path, limit: 1000)) has changed since the plan was made",
                advice: "make the plan again: lifeboat plan")
        }
        var environment = environment
        try environment.plugInCatalog(state, definition: definition.state)
        let following = environment.with(definition.settings).following(plan, folder: folder)
        let now = try await PipelinePlanner(following).plan(definition.steps, name: definition.name)
        for step in now.steps {
            guard let error = step.error, plan.steps.contains(where: { $0.name == step.name && $0.error == nil }) else {
                continue
            }
            throw LifeboatError(error.kind, error.message, advice: error.advice)
        }
        try await perform(definition.steps, of: definition, path, in: following, files)
    }

    /// A definition that is wrong is a failed run, for those that it still names.
    private func tell(of error: DefinitionError, in environment: RunEnvironment) async throws {
        let context = pipeline.context(environment)
        guard file != "-",
            let known = await Pipeline.remains(of: file, from: environment.fileSystem, context: context)
        else { return }
        let watch = Watch.command(environment, folder: state.folder ?? environment.workFolder)
        do {
            _ = try await watch.run(absolutePath(file)) { Watch.Work(failed: error, known: known) }
        } catch let other as any Failure {
            Terminal.story("note: nobody was told: \(other.description)")
        }
    }

    /// Runs steps; where the definition asks for it, the run is remembered, and who is to be told is told.
    private func perform(
        _ steps: [Step], of definition: Pipeline, _ file: String, in environment: RunEnvironment,
        _ files: ReportFiles
    ) async throws {
        let metricsFile = try await MetricsFile.prepare(metrics.file, in: environment)
        let isWatched = file != "-" && (definition.isWatched || metricsFile != nil)
        let watch = Watch.command(environment, folder: state.folder ?? environment.workFolder)
        try await LifeboatCLI.run(
            steps, name: definition.name, in: environment, output: output, reports: files,
            around: { work in
                guard isWatched else { return await work() }
                let (report, record) = try await watch.run(definition, in: absolutePath(file), work)
                if let record, let metricsFile {
                    let state = try await PipelineState.now(
                        record, surroundings: environment.surroundings, files: environment.fileSystem,
                        note: { Terminal.story("note: " + $0) })
                    try await metricsFile.write([state])
                }
                return report
            })
    }
}
