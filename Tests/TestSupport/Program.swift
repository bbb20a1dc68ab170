import Foundation

/// A program of this machine, run to its end.
public enum Program {
    public struct Result: Sendable {
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
            let process = Process()
            process.executableURL = URL(fileURLWithPath: path(name) ?? name)
            process.arguments = arguments
            if let folder { process.currentDirectoryURL = URL(fileURLWithPath: folder) }
            process.environment = ProcessInfo.processInfo.environment
                .merging(["LC_ALL": "C.UTF-8"]) { $1 }.merging(environment) { $1 }
            let paths = [scratch + "/out", scratch + "/err"]
            for path in paths { try Data().write(to: URL(fileURLWithPath: path)) }
            process.standardInput =
                try input.map { try FileHandle(forReadingFrom: URL(fileURLWithPath: $0)) } ?? FileHandle.nullDevice
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
