import ArgumentParser
import Lifeboat
import OCI
import OCIArchive
import OCIServer

struct ServeStoreCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "store", abstract: "Answer pulls (what serve does without another word).")

    @Argument(help: ArgumentHelp("A backup set, a plain archive or a layout folder.", valueName: "path"))
    var path: String

    @OptionGroup var choice: BackupChoice

    @Option(help: ArgumentHelp("Where to listen; port 0 takes a free one.", valueName: "host:port"))
    var listen = "127.0.0.1:5000"

    @Flag(help: "Take pushes and deletions too, into a layout folder, which is made if it does not exist.")
    var writable = false

    @Option(
        help: ArgumentHelp(
            "Take pushes into a layout folder of its own; what is served stays as it is. 'lifeboat import DIR/' brings them home.",
            valueName: "dir"))
    var overlay: String?

    @OptionGroup var security: ServerFlags

    @OptionGroup var archive: ArchiveFlags

    @Flag(name: .shortAndLong, help: "Say nothing but failures.")
    var quiet = false

    func run() async throws {
        var environment = try RunEnvironment.command(nil, repository: archive.repository)
        let definition = try await definition(environment)
        let bases = try await archive.stores(in: environment)
        if !bases.isEmpty { environment.settings.archives[definition, default: ArchiveSettings()].bases += bases }
        let address = try ListenAddress(parsing: listen)
        let security = try await security.read(environment)
        let store = try await ServedStore.open(
            definition,
            ServedStore.Manner(
                writable: writable, overlay: overlay, pipeline: choice.pipeline,
                tell: { Terminal.story("lifeboat: \($0)") }),
            in: environment)
        if !quiet { for note in store.notes { Terminal.story("note: \(note)") } }
        // A folder that is written to is no backup: clients look there for what they are about to send.
        let figures = ServerFigures { [quiet, writable] name in
            if !quiet, !writable { Terminal.story("not in the backup: \(name)") }
        }
        let server = try RegistryServer(
            store: store.store, writable: writable || overlay != nil, host: address.host, port: address.port,
            security: security, surroundings: environment.surroundings, logger: environment.logger, figures: figures,
            describe: store.describe, onFault: { Terminal.story("lifeboat: \($0)") })
        if !quiet {
            for note in ServerFlags.notes(security, on: address, now: environment.surroundings.now()) {
                Terminal.story("note: \(note)")
            }
        }
        let (summary, scheme) = (store.summary, security.tls == nil ? "http" : "https")
        try await server.run { [quiet] port in
            if !quiet { Terminal.story("serving \(summary) on \(scheme)://\(address.shown):\(port)/v2/") }
        }
        // It was asked to stop, and so was this task: what is left to do is done by another one.
        try await Task { try await store.tidy() }.value
        if !quiet, !writable { for line in ServeStoreCommand.farewell(figures) { Terminal.story(line) } }
    }

    private func definition(_ environment: RunEnvironment) async throws -> StoreDefinition {
        // A folder that is there and empty is as good as one with a slash behind its name.
        let isFolder = try await environment.fileSystem.status(path, followLinks: true)?.kind == .folder
        let text = writable && isFolder ? path + "/" : path
        guard let definition = try await StoreDefinition.path(text, in: environment.fileSystem) else {
            throw LifeboatError(
                .notFound, "there is no backup set, archive or layout folder \(shown(path, limit: 1000))",
                advice: writable ? "write \(shown(path, limit: 1000))/ to make a new layout folder" : "check the path")
        }
        guard choice.isGiven else { return definition }
        guard case .backups(let path, _) = definition else {
            throw LifeboatError(
                .usage, "\(shown(path, limit: 1000)) is no backup set: there is no backup to choose from")
        }
        return .backups(path: path, at: choice.word)
    }

    /// The most names that are said at the end.
    private static let namesAtEnd = 20

    private static func farewell(_ figures: ServerFigures) -> [String] {
        var lines = [
            "served \(count(figures.manifests, "manifest")) and \(count(figures.blobs, "blob")), \(size(Int64(figures.bytes)))"
        ]
        let missing = figures.missing
        guard !missing.isEmpty else { return lines }
        lines.append("asked for and not in the backup:")
        for entry in missing.prefix(namesAtEnd) {
            lines.append("  \(entry.name)" + (entry.times > 1 ? " (\(entry.times) times)" : ""))
        }
        if missing.count > namesAtEnd { lines.append("  and \(missing.count - namesAtEnd) more") }
        return lines
    }
}
