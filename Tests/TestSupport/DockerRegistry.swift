import Foundation

/// The registry of the distribution project, as Debian packages it, run from its binary.
public struct DockerRegistry: Sendable {
    private static let program = "/usr/bin/docker-registry"

    public static var isInstalled: Bool { FileManager.default.isExecutableFile(atPath: program) }

    /// `127.0.0.1:port`.
    public let host: String

    /// The one login of a registry that asks for one.
    public static let login = (username: "user", password: "hunter2")
    private static let passwords = "user:$2b$04$P7Lpy1TG0SFtoBmjqI3L6eEpV3FFn9xAxNW6LR.XLl.B1t1tQ.6RS\n"

    /// Runs `body` against an empty registry, which ends with it and leaves nothing behind.
    ///
    /// - Parameter asksForLogin: whether it refuses who does not give `login`.
    public static func run<R>(asksForLogin: Bool = false, _ body: (DockerRegistry) async throws -> R) async throws -> R
    {
        let folder = FileManager.default.temporaryDirectory.appending(path: "lifeboat-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        return try await LocalServer.run(ports: 1) { ports in
            try start(port: ports[0], asksForLogin: asksForLogin, in: folder)
        } _: { ports in
            try await body(DockerRegistry(host: "127.0.0.1:\(ports[0])"))
        }
    }

    private static func start(port: Int, asksForLogin: Bool, in folder: URL) throws
        -> RunningProgram
    {
        var configuration = """
            version: 0.1
            log: {level: error, accesslog: {disabled: true}}
            storage:
              filesystem: {rootdirectory: \(folder.path)/storage}
              delete: {enabled: true}
              maintenance: {uploadpurging: {enabled: false}}
            http: {addr: "127.0.0.1:\(port)"}

            """
        if asksForLogin {
            let file = folder.appending(path: "htpasswd")
            try passwords.write(to: file, atomically: true, encoding: .utf8)
            configuration += "auth: {htpasswd: {realm: test, path: \(file.path)}}\n"
        }
        let file = folder.appending(path: "config.yml")
        try configuration.write(to: file, atomically: true, encoding: .utf8)
        return try RunningProgram(
            program, ["serve", file.path], environment: ["OTEL_TRACES_EXPORTER": "none", "HOME": folder.path])
    }
}
