import Lifeboat
import OCI
import OCIArchive
import OCIRegistry

/// What keeps pipelines that are watched: remembers their runs and tells of them.
extension Watch {
    /// - Parameter folder: the state folder.
    static func command(_ environment: RunEnvironment, folder: String) -> Watch {
        Watch(
            ledger: RunLedger(stateFolder: folder, files: environment.fileSystem),
            sender: WebSender(caFile: environment.registries.tls.caFile), surroundings: environment.surroundings,
            story: { Terminal.story("note: " + $0) })
    }
}

/// Splits `host:port`; an IPv6 address is in brackets.
func listenAddress(_ text: String) throws -> (host: String, port: Int) {
    guard let colon = text.lastIndex(of: ":"), let port = Int(text[text.index(after: colon)...]),
        (0...65535).contains(port), colon != text.startIndex
    else {
        throw LifeboatError(
            .usage, "--listen is '\(shown(text, limit: 200))', want host:port", advice: "127.0.0.1:9464")
    }
    var host = String(text[..<colon])
    if host.hasPrefix("["), host.hasSuffix("]") { host = String(host.dropFirst().dropLast()) }
    return (host, port)
}

/// A file for node_exporter's textfile collector, replaced as a whole.
struct MetricsFile: Sendable {
    private let file: ReportFile

    static func prepare(_ path: String?, in environment: RunEnvironment) async throws -> MetricsFile? {
        guard let path else { return nil }
        return MetricsFile(file: try await ReportFile.prepare(path, in: environment.fileSystem))
    }

    func write(_ states: [PipelineState]) async throws {
        // The collector runs as another user.
        try await file.write(metrics(of: states, version: LifeboatCommand.version), mode: 0o644)
    }
}
