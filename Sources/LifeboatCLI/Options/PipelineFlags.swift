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
    ///
    /// - Parameter moment: what `{date}` and `{time}` stand for; nil for now.
    static func command(
        _ file: String, _ flags: PipelineFlags, in environment: RunEnvironment, moment: Int64? = nil
    ) async throws -> Pipeline {
        try await command(file, inputs: flags.values, in: environment, moment: moment)
    }

    static func command(
        _ file: String, inputs: [String: String], in environment: RunEnvironment, moment: Int64? = nil
    ) async throws -> Pipeline {
        let context = PipelineContext(
            variables: processVariables(), inputs: inputs, moment: moment ?? environment.surroundings.now())
        let pipeline = try await Pipeline.read(file, from: environment.fileSystem, context: context)
        for note in pipeline.notes { Terminal.story("note: " + note) }
        return pipeline
    }
}
