import ArgumentParser
import Lifeboat
import OCI

/// What a definition is given from outside.
struct PipelineFlags: ParsableArguments {
    @Option(
        name: .customLong("input"),
        help: ArgumentHelp(
            "Gives an input that the definition declares; comes before the environment. May be repeated.",
            valueName: "name=value"))
    var inputs: [String] = []

    func validate() throws {
        var names: Set<Substring> = []
        for input in inputs {
            guard let equals = input.firstIndex(of: "="), equals > input.startIndex else {
                throw ValidationError("--input is '\(shown(input, limit: 80))', want NAME=VALUE")
            }
            guard names.insert(input[..<equals]).inserted else {
                throw ValidationError("--input \(shown(input[..<equals], limit: 80)) is given twice")
            }
        }
    }

    var values: [String: String] {
        var values: [String: String] = [:]
        for input in inputs {
            guard let equals = input.firstIndex(of: "=") else { continue }
            values[String(input[..<equals])] = String(input[input.index(after: equals)...])
        }
        return values
    }
}

extension Pipeline {
    /// Reads a definition as the command does, and says what is worth knowing about it.
    static func command(
        _ file: String, _ context: PipelineContext, in environment: RunEnvironment
    ) async throws -> Pipeline {
        let pipeline = try await Pipeline.read(file, from: environment.fileSystem, context: context)
        for note in pipeline.notes { Terminal.story("note: " + note) }
        return pipeline
    }

    static func command(
        _ file: String, _ flags: PipelineFlags, in environment: RunEnvironment
    ) async throws -> Pipeline {
        try await command(file, flags.context(environment), in: environment)
    }

    static func command(
        _ file: String, inputs: [String: String], in environment: RunEnvironment
    ) async throws -> Pipeline {
        let context = PipelineContext(
            variables: processVariables(), inputs: inputs, moment: environment.surroundings.now())
        return try await command(file, context, in: environment)
    }
}

extension PipelineFlags {
    /// What a definition is given: the variables of this process, the inputs, the time.
    func context(_ environment: RunEnvironment) -> PipelineContext {
        PipelineContext(variables: processVariables(), inputs: values, moment: environment.surroundings.now())
    }
}
