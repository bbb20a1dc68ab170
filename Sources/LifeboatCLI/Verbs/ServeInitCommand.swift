import ArgumentParser
import Glibc
import Lifeboat
import OCI
import OCIArchive
import OCIServer

struct ServeInitCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "init",
        abstract: "Make a certificate authority and a server certificate, before they are needed.",
        discussion: """
            Nodes are given ca.crt once. A second run keeps the authority and makes a new server certificate, for other
            names or more years. Keep ca.key where the server is not.
            """)

    @Argument(help: ArgumentHelp("The folder for ca.crt, ca.key, server.crt and server.key.", valueName: "dir"))
    var folder: String

    @Option(
        name: .customLong("host"),
        help: ArgumentHelp(
            "A DNS name or IP address that nodes call the server by. May be repeated.", valueName: "name"))
    var hosts: [String]

    @Option(help: ArgumentHelp("How long the certificates are good for (1 to 36500).", valueName: "days"))
    var days = CertificateAuthority.days

    func validate() throws {
        if hosts.isEmpty { throw ValidationError("--host is missing: how do nodes call the server?") }
        if !(1...36_500).contains(days) { throw ValidationError("--days is \(days), want 1 to 36500") }
    }

    /// The largest PEM file that is read.
    private static let sizeLimit = 64 << 10

    func run() async throws {
        let environment = try RunEnvironment.command(nil)
        let files = environment.fileSystem
        let now = environment.surroundings.now() / 1000
        try await files.createFolder(folder)
        let (certificate, key) = (folder + "/ca.crt", folder + "/ca.key")
        let authority: CertificateAuthority
        let isKept = try await files.status(certificate, followLinks: true) != nil
        if isKept {
            let pair = CertificateAuthority.Pair(
                certificate: try await SmallFile.read(certificate, upTo: Self.sizeLimit, in: files),
                key: try await SmallFile.read(key, upTo: Self.sizeLimit, in: files))
            authority = try CertificateAuthority(pair, file: certificate)
        } else {
            authority = try CertificateAuthority(now: now, days: days)
        }
        // The names are looked at before the first file is written.
        let server = try authority.serverCertificate(for: hosts, now: now, days: days)
        if !isKept {
            let pair = try authority.pair
            try SmallFile.writeSecret(pair.key, to: key)
            try SmallFile.write(pair.certificate, to: certificate)
        }
        try SmallFile.writeSecret(server.key, to: folder + "/server.key")
        try SmallFile.write(server.certificate, to: folder + "/server.crt")
        Terminal.answer(
            """
            \(isKept ? "kept" : "made") the authority \(shown(certificate, limit: 1000)); made server.crt for \(hosts.map { shown($0, limit: 300) }.joined(separator: ", "))
            nodes:  give each of them \(shown(certificate, limit: 1000)) (lifeboat mirrors --ca says where)
            serve:  lifeboat serve BACKUP --listen 0.0.0.0:5000 --tls \(shown(folder, limit: 1000))
            keep:   ca.key somewhere else; it is only needed to make another server certificate
            """)
    }
}
