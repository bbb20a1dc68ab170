import Foundation
import TestSupport

/// The command as it was built beside the tests, alone or under strace.
enum BuiltCommand {
    static let path = Fixtures.package.appendingPathComponent(".build/debug/lifeboat").path
    static var isBuilt: Bool { FileManager.default.fileExists(atPath: path) }
    static var canTrace: Bool { Program.exists("strace") && isBuilt }

    static let surroundings = [
        "DOCKER_CONFIG": "/nonexistent", "REGISTRY_AUTH_FILE": "/nonexistent/auth.json",
    ]

    static func run(_ arguments: [String], state: String) async throws -> Program.Result {
        try await Program.run(path, arguments, environment: surroundings.merging(["XDG_STATE_HOME": state]) { $1 })
    }

    /// - Parameter descriptors: the most that it may have open.
    static func run(_ arguments: [String], state: String, descriptors: Int) async throws -> Program.Result {
        try await Program.run(
            "bash", ["-c", "ulimit -n \(descriptors); exec \"$0\" \"$@\"", path] + arguments,
            environment: surroundings.merging(["XDG_STATE_HOME": state]) { $1 })
    }

    /// - Parameter injection: what strace does to which system call, such as `fsync:error=EIO:when=2`.
    static func run(_ arguments: [String], state: String, injecting injection: String) async throws -> Program.Result {
        let trace = ["-f", "-qqq", "-o", "/dev/null", "-e", "trace=none", "-e", "inject=" + injection, path]
        return try await Program.run(
            "strace", trace + arguments, environment: surroundings.merging(["XDG_STATE_HOME": state]) { $1 })
    }

    /// - Parameters:
    ///   - calls: system calls of which a line each goes to `log`.
    static func run(
        _ arguments: [String], state: String, watching calls: String, log: String
    ) async throws -> Program.Result {
        let trace = ["-f", "-qq", "-s", "300", "-o", log, "-e", "trace=" + calls, path]
        return try await Program.run(
            "strace", trace + arguments, environment: surroundings.merging(["XDG_STATE_HOME": state]) { $1 })
    }

    /// Where a server listens, once it says so; nil if it ends before.
    static func address(of program: RunningProgram, errors: String) async throws -> String? {
        while program.isRunning {
            let said = try Program.text(of: errors)
            if said.hasSuffix("\n"), let line = said.split(separator: "\n").first(where: { $0.hasPrefix("serving ") }),
                let scheme = line.range(of: "://")
            {
                return String(line[scheme.upperBound...].prefix { $0 != "/" })
            }
            try await Task.sleep(for: .milliseconds(20))
        }
        return nil
    }
}
