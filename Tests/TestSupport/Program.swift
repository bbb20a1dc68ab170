import Foundation

/// A program of this machine, run to its end.
public enum Program {
    public struct Result: Sendable {
        /// The exit code, or 128 and the signal that ended it, as shells count.
        public let status: Int32
        public let output: String
        public let errors: String
    }

    public static func exists(_ name: String) -> Bool { path(name) != nil }

    public static func path(_ name: String) -> String? {
        if name.hasPrefix("/") { return FileManager.default.isExecutableFile(atPath: name) ? name : nil }
        return ["/usr/bin/", "/bin/", "/usr/local/bin/", "/usr/sbin/"].map { $0 + name }
            .first { FileManager.default.isExecutableFile(atPath: $0) }
    }

    public static func text(of file: String) throws -> String {
        String(decoding: try Data(contentsOf: URL(fileURLWithPath: file)), as: UTF8.self)
    }

    public static func write(_ text: String, to file: String) throws {
        try Data(text.utf8).write(to: URL(fileURLWithPath: file))
    }

    /// Whether a program can be run and says that all is well, for what must be known before a test begins.
    public static func succeeds(_ name: String, _ arguments: String...) -> Bool {
        guard exists(name) else { return false }
        do {
            return try RunningProgram(name, arguments).endBlocking() == 0
        } catch {
            return false
        }
    }

    @discardableResult
    public static func run(_ name: String, _ arguments: String..., in folder: String? = nil) async throws -> Result {
        try await run(name, arguments, in: folder)
    }

    /// Output goes through files, so that no pipe can fill up.
    public static func run(
        _ name: String, _ arguments: [String], in folder: String? = nil, environment: [String: String] = [:],
        input: String? = nil
    ) async throws -> Result {
        try await withTemporaryFolder { scratch in
            let program = try RunningProgram(
                name, arguments, in: folder, environment: environment, input: input, output: scratch + "/out",
                errors: scratch + "/err")
            let status = await program.end()
            return Result(
                status: status, output: try text(of: scratch + "/out"), errors: try text(of: scratch + "/err"))
        }
    }
}
