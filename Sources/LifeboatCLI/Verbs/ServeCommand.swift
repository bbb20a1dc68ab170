import ArgumentParser
import Lifeboat
import OCI
import OCIServer

struct ServeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "serve", abstract: "Answer pulls from an archive or a layout folder, without unpacking it.",
        discussion: """
            lifeboat serve backup.tar --listen 127.0.0.1:5000
            lifeboat serve images/ --writable
            """)

    @Argument(help: ArgumentHelp("A plain archive or a layout folder.", valueName: "path"))
    var path: String

    @Option(help: ArgumentHelp("Where to listen; port 0 takes a free one.", valueName: "host:port"))
    var listen = "127.0.0.1:5000"

    @Flag(help: "Take pushes and deletions too, into a layout folder, which is made if it does not exist.")
    var writable = false

    @Option(
        name: .customLong("repository"),
        help: ArgumentHelp(
            "The repository of images in an archive or layout that names only tags.", valueName: "name"))
    var repository: String?

    @Option(
        name: .customLong("base"),
        help: ArgumentHelp(
            "What a delta archive builds on: an archive or layout folder that has its blobs. May be repeated.",
            valueName: "path"))
    var bases: [String] = []

    @Flag(name: .shortAndLong, help: "Say nothing but failures.")
    var quiet = false

    func run() async throws {
        var environment = try RunEnvironment.command(nil, repository: repository)
        guard let definition = try await StoreDefinition.path(path, in: environment.fileSystem) else {
            throw LifeboatError(
                .notFound, "there is no archive or layout folder \(shown(path, limit: 1000))",
                advice: writable ? "write \(shown(path, limit: 1000))/ to make a new layout folder" : "check the path")
        }
        for base in bases {
            guard let store = try await StoreDefinition.path(base, in: environment.fileSystem) else {
                throw LifeboatError(
                    .notFound, "there is no archive or layout folder \(shown(base, limit: 1000))",
                    advice: "check the path of --base")
            }
            environment.settings.archives[definition, default: ArchiveSettings()].bases.append(store)
        }
        let (host, port) = try address()
        let store = try await ServedStore.open(definition, writable: writable, in: environment)
        let server = try RegistryServer(
            store: store.store, writable: writable, host: host, port: port, surroundings: environment.surroundings,
            logger: environment.logger, onFault: { Terminal.story("lifeboat: \($0)") })
        let summary = store.summary
        try await server.run { [quiet] port in
            if !quiet { Terminal.story("serving \(summary) on http://\(host):\(port)/v2/") }
        }
    }

    /// Splits `host:port`; an IPv6 address is in brackets.
    private func address() throws -> (host: String, port: Int) {
        guard let colon = listen.lastIndex(of: ":"), let port = Int(listen[listen.index(after: colon)...]),
            (0...65535).contains(port), colon != listen.startIndex
        else {
            throw LifeboatError(
                .usage, "--listen is '\(shown(listen, limit: 200))', want host:port", advice: "127.0.0.1:5000")
        }
        var host = String(listen[..<colon])
        if host.hasPrefix("["), host.hasSuffix("]") { host = String(host.dropFirst().dropLast()) }
        return (host, port)
    }
}
