import Foundation
import TestSupport

/// The command, as it was built beside the tests.
enum Lifeboat {
    static let binary = Fixtures.package.appendingPathComponent(".build/debug/lifeboat").path

    static func run(
        _ arguments: String..., in folder: String? = nil, environment: [String: String] = [:], input: String? = nil
    ) async throws -> Program.Result {
        try await run(arguments, in: folder, environment: environment, input: input)
    }

    static func run(
        _ arguments: [String], in folder: String? = nil, environment: [String: String] = [:], input: String? = nil
    ) async throws -> Program.Result {
        // What it remembers from run to run goes with the test.
        try await withTemporaryFolder { state in
            try await Program.run(
                binary, arguments, in: folder,
                environment: [
                    "DOCKER_CONFIG": "/nonexistent", "REGISTRY_AUTH_FILE": "/nonexistent/auth.json",
                    "XDG_STATE_HOME": state,
                ].merging(environment) { $1 },
                input: input)
        }
    }
}

func bytes(of path: String) throws -> Data { try Data(contentsOf: URL(fileURLWithPath: path)) }

func exists(_ path: String) -> Bool { FileManager.default.fileExists(atPath: path) }
