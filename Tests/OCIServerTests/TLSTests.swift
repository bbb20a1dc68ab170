import Foundation
import Logging
import NIOCore
import OCI
import OCIRegistry
import OCIServer
import TestSupport
import Testing

/// A server with a certificate of an authority of its own, and clients that know that authority.
struct TLSTests {
    /// Writes what `serve init` writes.
    private func withCertificates(
        hosts: [String] = ["127.0.0.1", "localhost"], now: Int64? = nil, days: Int = 10,
        _ body: (String) async throws -> Void
    ) async throws {
        try await withTemporaryFolder { folder in
            let now = now ?? Surroundings.ofThisMachine.now() / 1000
            let authority = try CertificateAuthority(now: now, days: days)
            let pair = try authority.pair
            let server = try authority.serverCertificate(for: hosts, now: now, days: days)
            for (name, text) in [
                ("ca.crt", pair.certificate), ("ca.key", pair.key), ("server.crt", server.certificate),
                ("server.key", server.key),
            ] { try Program.write(text, to: folder + "/" + name) }
            try await body(folder)
        }
    }

    private func registry(_ address: String, trusting file: String?, plainHTTP: Bool? = false) throws -> Registry {
        var options = RegistryOptions()
        options.plainHTTP = plainHTTP
        options.tls.caFile = file
        options.credentials = .anonymous
        options.retry.attempts = 1
        return try Registry(
            host: address, options: options, surroundings: .ofThisMachine,
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
    }

    @Test func `who trusts the authority pulls, and nobody else`() async throws {
        try await withCertificates { folder in
            let store = MemoryStore()
            let image = try await SeededImages.push(
                to: store.target(RepositoryName("app")), seed: 1, layerSizes: [1000, 900_000], tags: [.latest])
            let security = ServerSecurity(
                tls: try ServerTLS(certificate: folder + "/server.crt", key: folder + "/server.key"))
            try await TestRegistry.run(over: store, security: security) { address in
                let trusting = try registry(address, trusting: folder + "/ca.crt")
                let repository = try trusting.repository(RepositoryName("app"))
                #expect(try await repository.resolve(.tag(.latest)).digest == image.descriptor.digest)
                for blob in image.children { try await repository.read(blob) { try await $0.verify() } }
                try await trusting.shutdown()
                let stranger = try registry(address, trusting: nil)
                let name = try RepositoryName("app")
                let error = await #expect(throws: RegistryError.self) {
                    _ = try await stranger.repository(name).resolve(.tag(.latest))
                }
                #expect(error?.kind == .unavailable)
                try await stranger.shutdown()
            }
        }
    }

    @Test func `who speaks plain HTTP to it is told how to speak TLS`() async throws {
        try await withCertificates { folder in
            let security = ServerSecurity(
                tls: try ServerTLS(certificate: folder + "/server.crt", key: folder + "/server.key"))
            try await TestRegistry.run(security: security) { address in
                // On this machine that is what a registry is spoken to in, unless something is said of TLS.
                let client = try registry(address, trusting: nil, plainHTTP: nil)
                let error = await #expect(throws: RegistryError.self) { try await client.ping() }
                #expect(error?.advice?.contains("--ca FILE") ?? false, "\(String(describing: error))")
                try await client.shutdown()
            }
        }
    }

    @Test func `a certificate that has expired is named, with the moment, and one that is not good yet`() async throws {
        let now = Surroundings.ofThisMachine.now() / 1000
        let day: Int64 = 86_400
        for (made, days, words) in [
            (now - 30 * day, 10, "its certificate has expired: it was good until \(Moment(now - 20 * day))"),
            (now + 30 * day, 10, "its certificate is not good yet, but from \(Moment(now + 30 * day - 3600)) on"),
        ] {
            try await withCertificates(now: made, days: days) { folder in
                let security = ServerSecurity(
                    tls: try ServerTLS(certificate: folder + "/server.crt", key: folder + "/server.key"))
                try await TestRegistry.run(security: security) { address in
                    let client = try registry(address, trusting: folder + "/ca.crt")
                    let error = await #expect(throws: RegistryError.self) { try await client.ping() }
                    #expect(error?.description == "\(address) cannot be trusted: \(words)")
                    #expect(error?.kind == .unavailable)
                    #expect(error?.advice?.contains("clock") ?? false)
                    try await client.shutdown()
                }
            }
        }
    }

    @Test func `a certificate for another name is not accepted`() async throws {
        try await withCertificates(hosts: ["backup.example.com", "10.1.2.3"]) { folder in
            let security = ServerSecurity(
                tls: try ServerTLS(certificate: folder + "/server.crt", key: folder + "/server.key"))
            try await TestRegistry.run(security: security) { address in
                let client = try registry(address, trusting: folder + "/ca.crt")
                await #expect(throws: RegistryError.self) { try await client.ping() }
                try await client.shutdown()
            }
        }
    }

    @Test(.enabled(if: Program.exists("openssl")))
    func `openssl finds nothing wrong with the chain, the names and the purpose`() async throws {
        try await withCertificates(hosts: ["backup.example.com", "10.1.2.3", "fd00::1"]) { folder in
            let verify = try await Program.run(
                "openssl", "verify", "-x509_strict", "-purpose", "sslserver", "-verify_hostname", "backup.example.com",
                "-CAfile", folder + "/ca.crt", folder + "/server.crt")
            #expect(verify.status == 0, "\(verify.output)\(verify.errors)")
            let text = try await Program.run("openssl", "x509", "-in", folder + "/server.crt", "-noout", "-text").output
            #expect(text.contains("DNS:backup.example.com, IP Address:10.1.2.3, IP Address:FD00:0:0:0:0:0:0:1"))
            #expect(text.contains("CA:FALSE"))
        }
    }

    @Test func `an authority that was made before signs again`() async throws {
        try await withCertificates { folder in
            let pair = CertificateAuthority.Pair(
                certificate: try Program.text(of: folder + "/ca.crt"), key: try Program.text(of: folder + "/ca.key"))
            let again = try CertificateAuthority(pair, file: "ca.crt")
            let now = Surroundings.ofThisMachine.now() / 1000
            let server = try again.serverCertificate(for: ["127.0.0.1"], now: now)
            try Program.write(server.certificate, to: folder + "/new.crt")
            try Program.write(server.key, to: folder + "/new.key")
            let tls = try ServerTLS(certificate: folder + "/new.crt", key: folder + "/new.key")
            // Never longer than the authority itself.
            #expect(tls.expires <= now + 10 * 86_400)
            try await TestRegistry.run(security: ServerSecurity(tls: tls)) { address in
                let client = try registry(address, trusting: folder + "/ca.crt")
                try await client.ping()
                try await client.shutdown()
            }
            let server2 = try CertificateAuthority.Pair(
                certificate: Program.text(of: folder + "/new.crt"), key: Program.text(of: folder + "/new.key"))
            let error = #expect(throws: ServerError.self) { try CertificateAuthority(server2, file: "new.crt") }
            #expect(error?.description == "new.crt and its key are no certificate authority")
        }
    }

    @Test func `files that do not make a server are named before it listens`() async throws {
        try await withCertificates { folder in
            let (certificate, key) = (folder + "/server.crt", folder + "/server.key")
            try Program.write("nonsense\n", to: folder + "/nonsense")
            for (files, message) in [
                ((certificate, folder + "/ca.key"), "do not belong together"),
                ((folder + "/none", key), "No such file or directory"),
                ((folder + "/nonsense", key), "there is no certificate in"),
                ((certificate, folder + "/nonsense"), "there is no private key in"),
                ((certificate, folder + "/none"), "none"),
            ] {
                let error = #expect(throws: ServerError.self) {
                    try ServerTLS(certificate: files.0, key: files.1)
                }
                #expect(error?.description.contains(message) == true, "\(error?.description ?? "")")
            }
        }
    }

    @Test(arguments: ["", "a b", "host:5000", "https://host", "-x"])
    func `what is no host gets no certificate`(host: String) throws {
        let authority = try CertificateAuthority(now: 1_700_000_000)
        let error = #expect(throws: ServerError.self) {
            try authority.serverCertificate(for: [host], now: 1_700_000_000)
        }
        #expect(error?.kind == .usage)
    }
}
