import Foundation
import TestSupport

/// A program of this machine, run to its end.
enum Program {
    struct Result {
        let status: Int32
        let output: String
        let errors: String
    }

    static func exists(_ name: String) -> Bool { path(name) != nil }

    private static func path(_ name: String) -> String? {
        ["/usr/bin/", "/bin/", "/usr/local/bin/", "/usr/sbin/"].map { $0 + name }
            .first { FileManager.default.isExecutableFile(atPath: $0) }
    }

    @discardableResult
    static func run(_ name: String, _ arguments: String..., in folder: String? = nil) async throws -> Result {
        try await run(name, arguments, in: folder)
    }

    /// Output goes through files, so that no pipe can fill up.
    static func run(_ name: String, _ arguments: [String], in folder: String? = nil) async throws -> Result {
        try await withTemporaryFolder { scratch in
            let process = Process()
            process.executableURL = URL(fileURLWithPath: path(name) ?? name)
            process.arguments = arguments
            if let folder { process.currentDirectoryURL = URL(fileURLWithPath: folder) }
            var environment = ProcessInfo.processInfo.environment
            environment["LC_ALL"] = "C.UTF-8"
            process.environment = environment
            let paths = [scratch + "/out", scratch + "/err"]
            for path in paths { try writeFile(path, []) }
            process.standardOutput = try FileHandle(forWritingTo: URL(fileURLWithPath: paths[0]))
            process.standardError = try FileHandle(forWritingTo: URL(fileURLWithPath: paths[1]))
            try await withCheckedThrowingContinuation { (done: CheckedContinuation<Void, any Error>) in
                process.terminationHandler = { _ in done.resume() }
                do { try process.run() } catch { done.resume(throwing: error) }
            }
            let texts = try paths.map {
                String(decoding: try Data(contentsOf: URL(fileURLWithPath: $0)), as: UTF8.self)
            }
            return Result(status: process.terminationStatus, output: texts[0], errors: texts[1])
        }
    }
}

func writeFile(_ path: String, _ bytes: [UInt8]) throws {
    try Data(bytes).write(to: URL(fileURLWithPath: path))
}

func readFile(_ path: String) throws -> [UInt8] {
    Array(try Data(contentsOf: URL(fileURLWithPath: path)))
}
