import ArgumentParser
import Lifeboat
import NIOCore
import OCI
import OCIServer

/// What a server shows its clients, and asks of them.
struct ServerFlags: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Speak TLS, with server.crt and server.key of this folder, as 'lifeboat serve init' makes them.",
            valueName: "dir"))
    var tls: String?

    @Option(
        name: .customLong("tls-cert"),
        help: ArgumentHelp("Speak TLS, with this certificate chain (PEM).", valueName: "file"))
    var certificate: String?

    @Option(name: .customLong("tls-key"), help: ArgumentHelp("The certificate's key (PEM).", valueName: "file"))
    var key: String?

    @Option(
        help: ArgumentHelp(
            "Answer only who is in this file, as 'htpasswd -B' writes it (bcrypt only).", valueName: "file"))
    var htpasswd: String?

    func validate() throws {
        if (certificate == nil) != (key == nil) { throw ValidationError("--tls-cert and --tls-key go together") }
        if tls != nil, certificate != nil { throw ValidationError("--tls is in place of --tls-cert and --tls-key") }
    }

    func read(_ environment: RunEnvironment) async throws -> ServerSecurity {
        var security = ServerSecurity()
        if let tls {
            security.tls = try ServerTLS(certificate: tls + "/server.crt", key: tls + "/server.key")
        } else if let certificate, let key {
            security.tls = try ServerTLS(certificate: certificate, key: key)
        }
        if let htpasswd {
            let text = try await SmallFile.read(htpasswd, upTo: PasswordFile.sizeLimit, in: environment.fileSystem)
            security.passwords = try PasswordFile(parsing: text, file: htpasswd)
        }
        return security
    }

    /// Days before a certificate's end from which on it is said.
    private static let warningDays: Int64 = 30

    /// What an operator should know before the first client comes.
    ///
    /// - Parameter now: milliseconds since 1970.
    static func notes(_ security: ServerSecurity, on address: ListenAddress, now: Int64) -> [String] {
        var notes: [String] = []
        if let tls = security.tls {
            let seconds = tls.expires - now / 1000
            if seconds < warningDays * 86_400 {
                let end = Figures.instant(tls.expires * 1000)
                notes.append("the certificate \(seconds < 0 ? "has expired at" : "expires at") \(end)")
            }
        } else if security.passwords != nil, !address.isLoopback {
            notes.append("without TLS passwords can be read on their way: --tls DIR, or a proxy that speaks TLS")
        }
        return notes
    }
}

/// `host:port` to listen on.
struct ListenAddress: Sendable {
    let host: String
    let port: Int

    /// An IPv6 address is in brackets.
    init(parsing text: String) throws(LifeboatError) {
        guard let colon = text.lastIndex(of: ":"), let port = Int(text[text.index(after: colon)...]),
            (0...65535).contains(port), colon != text.startIndex
        else {
            throw LifeboatError(
                .usage, "--listen is '\(OCI.shown(text, limit: 200))', want host:port", advice: "127.0.0.1:5000")
        }
        var host = String(text[..<colon])
        if host.hasPrefix("["), host.hasSuffix("]") { host = String(host.dropFirst().dropLast()) }
        self.host = host
        self.port = port
    }

    var isLoopback: Bool { host == "localhost" || host == "::1" || host.hasPrefix("127.") }

    /// As it stands in a URL.
    var shown: String { host.contains(":") ? "[\(host)]" : host }
}
