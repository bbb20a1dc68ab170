import ArgumentParser
import Lifeboat
import OCI

struct ConvertCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "convert",
        abstract: "Make a pipeline definition of a regsync or skopeo-sync file; it goes to stdout.",
        discussion: """
            What cannot be carried over is named on stderr, each with its line; nothing is dropped silently.

            lifeboat convert regsync.yml > pipeline.yaml
            lifeboat convert skopeo-sync.yaml --to registry.example.com/mirror > pipeline.yaml
            """)

    @Argument(help: ArgumentHelp("The file of the other tool.", valueName: "file"))
    var file: String

    @Option(
        help: ArgumentHelp("Whose file it is: regsync or skopeo; else it is told from the keys.", valueName: "tool"))
    var from: String?

    @Option(
        help: ArgumentHelp(
            "The target, which a skopeo-sync file does not name; else the definition asks for $TARGET_REGISTRY.",
            valueName: "host[/prefix]"))
    var to: String?

    func run() async throws {
        let environment = try RunEnvironment.command(nil)
        let format = try from.map { name -> Conversion.Format in
            guard let format = Conversion.Format(rawValue: name) else {
                throw LifeboatError(
                    .usage,
                    "--from is '\(shown(name, limit: 80))', want "
                        + Conversion.Format.allCases.map(\.rawValue).joined(separator: " or "))
            }
            return format
        }
        if let to { _ = try StoreDefinition.registry(parsing: to) }
        let conversion = try await Conversion.read(file, as: format, target: to, from: environment.fileSystem)
        Terminal.answer(conversion.definition)
        for note in conversion.notes { Terminal.story(note.description) }
    }
}
