import ArgumentParser
import Lifeboat
import OCI
import OCIArchive

struct MirrorsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "mirrors",
        abstract: "Write the configuration that lets nodes pull from a backup's server.",
        discussion: """
            In the steady state nodes ask the registry first and the backup for what it does not answer. With
            --during-outage they ask the backup first. The backup is only ever pulled from.

            lifeboat mirrors --for containerd --server https://backup.example.com:5000 \\
              --registry registry.example.com --ca /etc/lifeboat/ca.crt --out node/
            """)

    @Option(
        name: .customLong("for"),
        help: ArgumentHelp(
            "What runs on the nodes: " + NodeKind.allCases.map(\.rawValue).joined(separator: ", ") + ".",
            valueName: "program"))
    var node: String

    @Option(
        help: ArgumentHelp("Where lifeboat serve answers; http:// before it where it has no TLS.", valueName: "url"))
    var server: String

    @Option(
        name: .customLong("registry"),
        help: ArgumentHelp(
            "A registry whose images the backup has; http:// before it where it has no TLS. May be repeated.",
            valueName: "host"))
    var registries: [String] = []

    @Option(
        name: .customLong("ca"),
        help: ArgumentHelp(
            "Where nodes have the certificate of the authority (ca.crt of serve init).", valueName: "file"))
    var authority: String?

    @Flag(name: .customLong("during-outage"), help: "The backup first, for as long as the registry is gone.")
    var duringOutage = false

    @Option(help: ArgumentHelp("Write the files under this folder, which stands for a node's root.", valueName: "dir"))
    var out: String?

    func run() async throws {
        guard let kind = NodeKind(rawValue: node) else {
            throw LifeboatError(
                .usage,
                "--for is '\(shown(node, limit: 80))', want "
                    + NodeKind.allCases.map(\.rawValue).joined(separator: " or "))
        }
        let mirrors = Mirrors(
            node: kind, server: try NodeRegistry(parsing: server),
            registries: try registries.map { try NodeRegistry(parsing: $0) }, authority: authority,
            duringOutage: duringOutage)
        let rendering = try mirrors.render()
        let files = try RunEnvironment.command(nil).fileSystem
        for (number, file) in rendering.files.enumerated() {
            if let out {
                let path = out + "/" + file.relativePath
                try await files.createFolder(String(path[..<(path.lastIndex(of: "/") ?? path.endIndex)]))
                try SmallFile.write(file.text, to: path)
                Terminal.answer(path)
            } else {
                if rendering.files.count > 1 { Terminal.answer((number > 0 ? "\n" : "") + "# \(file.place)") }
                Terminal.answer(String(file.text.dropLast()))
            }
        }
        if out == nil, let only = rendering.files.first, rendering.files.count == 1 {
            Terminal.story("this is \(only.place)")
        }
        for note in rendering.notes { Terminal.story("note: \(note)") }
    }
}
