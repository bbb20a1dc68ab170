import Foundation
import NIOCore
import NIOHTTP1
import OCI
import OCIRegistry
import TestSupport
import Testing

struct EndpointTests {
    @Test func `one address of a name is kept, and the name is what the server hears`() async throws {
        try await ScriptedRegistry.serve { _ in
            .json(#"{"tags":["a"]}"#)
        } _: { server in
            let port = server.host.split(separator: ":").last ?? ""
            try await withRegistry("localhost:\(port)") { registry in
                let repository = registry.repository(try RepositoryName("team/app"))
                for _ in 0..<3 { _ = try await repository.tags() }
                let address = await registry.address()
                // The other address of localhost, where nobody listens, is passed over.
                #expect(address == "127.0.0.1")
                #expect(Set(server.requests.compactMap { $0.header("Host") }) == ["localhost:\(port)"])
            }
        }
    }

    @Test(.enabled(if: TLSServer.isInstalled, "openssl is not installed"))
    func `R45: a certificate that nobody vouches for is refused, one of a named authority is not`() async throws {
        try await TLSServer.run(name: "localhost") { server in
            func tags(_ host: String, _ tls: RegistryOptions.TLS) async throws -> any Failure {
                let options = RegistryOptions.quick {
                    $0.plainHTTP = false
                    $0.tls = tls
                }
                return try await withRegistry(host, options) { registry in
                    try await failure { try await registry.repositories() }
                }
            }
            let named = "localhost:\(server.port)"
            let untrusted = try await tags(named, .init())
            #expect(untrusted.kind == .unavailable)
            #expect(untrusted.description.contains("cannot be trusted: its certificate is not trusted"))
            let wrongName = try await tags("127.0.0.1:\(server.port)", .init(caFile: server.certificate))
            #expect(wrongName.kind == .unavailable)
            #expect(wrongName.description.contains("cannot be trusted: its certificate is for another host"))
            // These get through to a server that is no registry.
            for tls in [RegistryOptions.TLS(caFile: server.certificate), .init(verify: false)] {
                let reached = try await tags(named, tls)
                #expect(reached.kind == .protocolViolation)
                #expect(reached.description.contains("is not a registry"))
            }
        }
    }

    @Test func `certificates that cannot be read are named`() async throws {
        let options = RegistryOptions.quick { $0.tls.caFile = "/no/such.pem" }
        let error = try await failure { try await withRegistry("r.example.org", options) { _ in } }
        #expect(error.kind == .local)
        #expect(error.description.contains("/no/such.pem"))
    }
}

/// A web server with a certificate of its own making.
private struct TLSServer {
    private static let program = "/usr/bin/openssl"

    static var isInstalled: Bool { FileManager.default.isExecutableFile(atPath: program) }

    let port: Int
    /// A PEM file.
    let certificate: String

    static func run<R>(name: String, _ body: (TLSServer) async throws -> R) async throws -> R {
        let folder = FileManager.default.temporaryDirectory.appending(path: "lifeboat-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let (key, certificate) = (folder.appending(path: "key.pem").path, folder.appending(path: "cert.pem").path)
        let make = try start([
            "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
            "-subj", "/CN=\(name)", "-addext", "subjectAltName=DNS:\(name)", "-keyout", key, "-out", certificate,
        ])
        make.endBlocking()
        let output = Pipe()
        let server = try start(
            ["s_server", "-accept", "127.0.0.1:0", "-www", "-key", key, "-cert", certificate], output: output)
        try output.fileHandleForWriting.close()
        defer {
            server.signal(SIGTERM)
            server.endBlocking()
        }
        // It says "ACCEPT 127.0.0.1:port".
        var text = ""
        while !text.contains("ACCEPT") || !text.hasSuffix("\n") {
            let more = output.fileHandleForReading.availableData
            guard !more.isEmpty else { break }
            text += String(decoding: more, as: UTF8.self)
        }
        let line = text.split(separator: "\n").first { $0.hasPrefix("ACCEPT") } ?? ""
        let port = try #require(Int(line.split(separator: ":").last ?? ""))
        return try await body(TLSServer(port: port, certificate: certificate))
    }

    private static func start(_ arguments: [String], output: Pipe? = nil) throws -> RunningProgram {
        try RunningProgram(
            program, arguments,
            output: output.map { "/dev/fd/\($0.fileHandleForWriting.fileDescriptor)" } ?? "/dev/null")
    }
}
