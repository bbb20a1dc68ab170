import ArgumentParser
import Lifeboat
import OCI

struct ValidateCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "validate",
        abstract: "Check pipeline definitions: every fault with its place and what is wanted; nothing is touched.",
        discussion: """
            Exit code 0 if all files are right, 78 if one is not.

            lifeboat validate pipelines/*.yaml
            lifeboat validate restore.yaml --input at=2026-11-19T14:00:00Z
            """)

    @Argument(help: ArgumentHelp("YAML files.", valueName: "pipeline"))
    var files: [String]

    @OptionGroup var pipeline: PipelineFlags

    @Flag(help: "Print the answer as JSON on stdout.")
    var json = false

    func run() async throws {
        let environment = try RunEnvironment.command(nil)
        let context = pipeline.context(environment)
        var results: [(file: String, faults: [DefinitionError.Fault])] = []
        for file in files {
            do {
                _ = try await Pipeline.read(file, from: environment.fileSystem, context: context)
                results.append((file, []))
            } catch let error as DefinitionError {
                results.append((file, error.faults))
            } catch let error as LifeboatError where error.kind == .policy {
                results.append((file, [DefinitionError.Fault(line: 1, column: 1, key: "", reason: error.description)]))
            }
        }
        if json {
            Terminal.answer(JSONValue.object(["files": .array(results.map(document))]))
        } else {
            for (file, faults) in results {
                let words =
                    faults.isEmpty
                    ? "\(shown(file, limit: 1000)): ok"
                    : DefinitionError(file: shown(file, limit: 1000), faults: faults).description
                Terminal.answer(words)
            }
        }
        if results.contains(where: { !$0.faults.isEmpty }) { throw ExitCode(FailureKind.policy.exitCode) }
    }

    private func document(_ file: String, _ faults: [DefinitionError.Fault]) -> JSONValue {
        .object([
            "file": .string(file), "ok": .bool(faults.isEmpty),
            "faults": .array(
                faults.map { fault in
                    .object([
                        "line": .number(Int64(fault.line)), "column": .number(Int64(fault.column)),
                        "key": .string(fault.key), "reason": .string(fault.reason),
                    ])
                }),
        ])
    }
}
