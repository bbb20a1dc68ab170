import Foundation

/// nginx as Debian packages it, with a configuration of a test's own.
public struct Nginx: Sendable {
    private static let program = "/usr/sbin/nginx"

    public static var isInstalled: Bool { FileManager.default.isExecutableFile(atPath: program) }

    /// `127.0.0.1:port` of each `$PORT0`, `$PORT1` and so on in the configuration.
    public let hosts: [String]

    /// Runs `body` against a server, which ends with it and leaves nothing behind.
    ///
    /// - Parameters:
    ///   - configuration: what stands in the `http` block; `$PORT0` to `$PORT9` stand for free ports.
    ///   - ports: how many of them there are.
    public static func run<R>(_ configuration: String, ports: Int = 1, _ body: (Nginx) async throws -> R) async throws
        -> R
    {
        try await withTemporaryFolder { folder in
            try await LocalServer.run(ports: ports) { numbers in
                var text = configuration
                for (number, port) in numbers.enumerated() {
                    text = text.replacingOccurrences(of: "$PORT\(number)", with: "127.0.0.1:\(port)")
                }
                return try start(text, in: folder)
            } _: { numbers in
                try await body(Nginx(hosts: numbers.map { "127.0.0.1:\($0)" }))
            }
        }
    }

    private static func start(_ configuration: String, in folder: String) throws -> RunningProgram {
        let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map {
            "    \($0)_temp_path \(folder)/\($0);"
        }
        let text = """
            daemon off;
            master_process off;
            pid \(folder)/pid;
            error_log \(folder)/error.log crit;
            events {}
            http {
                access_log off;
                client_max_body_size 0;
            \(temporary.joined(separator: "\n"))
            \(configuration)
            }
            """
        try text.write(toFile: folder + "/nginx.conf", atomically: true, encoding: .utf8)
        return try RunningProgram(
            program, ["-p", folder, "-c", folder + "/nginx.conf", "-e", folder + "/error.log"])
    }
}

/// Certificates of an authority that lives as long as a test: PEM files.
public struct TestCertificates: Sendable {
    public static var canBeMade: Bool { Program.exists("openssl") }

    public let authority: String
    /// Of `localhost` and 127.0.0.1.
    public let server: (certificate: String, key: String)
    public let client: (certificate: String, key: String)

    public static func make(in folder: String) async throws -> TestCertificates {
        let curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
        func path(_ name: String) -> String { folder + "/" + name }
        func openssl(_ arguments: [String]) async throws {
            let result = try await Program.run("openssl", arguments)
            guard result.status == 0 else { throw Failed(errors: result.errors) }
        }
        try await openssl(
            ["req", "-x509"] + curve + [
                "-days", "2", "-subj", "/CN=test authority", "-keyout", path("ca.key"), "-out", path("ca.pem"),
            ])
        for (name, extensions) in [
            ("server", "subjectAltName=DNS:localhost,IP:127.0.0.1"), ("client", "extendedKeyUsage=clientAuth"),
        ] {
            try extensions.write(toFile: path(name + ".ext"), atomically: true, encoding: .utf8)
            try await openssl(
                ["req"] + curve + [
                    "-subj", "/CN=\(name)", "-keyout", path(name + ".key"), "-out", path(name + ".csr"),
                ])
            try await openssl([
                "x509", "-req", "-in", path(name + ".csr"), "-CA", path("ca.pem"), "-CAkey", path("ca.key"),
                "-CAcreateserial", "-days", "2", "-extfile", path(name + ".ext"), "-out", path(name + ".pem"),
            ])
        }
        return TestCertificates(
            authority: path("ca.pem"), server: (path("server.pem"), path("server.key")),
            client: (path("client.pem"), path("client.key")))
    }

    private struct Failed: Error { let errors: String }
}
