import Foundation
import TestSupport

/// `lifeboat serve` as a process of its own.
struct ServedArchive {
    let host: String
    private let process: Process

    /// Waits for the line that names the port.
    static func start(_ path: String, _ arguments: String...) async throws -> ServedArchive {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: Lifeboat.binary)
        process.arguments = ["serve", path, "--listen", "127.0.0.1:0"] + arguments
        let pipe = Pipe()
        process.standardError = pipe
        try process.run()
        var said = ""
        for try await line in pipe.fileHandleForReading.bytesByLine {
            said += line + "\n"
            if let scheme = line.range(of: "http://") {
                return ServedArchive(host: String(line[scheme.upperBound...].prefix { $0 != "/" }), process: process)
            }
        }
        throw NotServing(said: said)
    }

    struct NotServing: Error { let said: String }

    /// - Returns: the exit code.
    func stop() async -> Int32 {
        process.terminate()
        process.waitUntilExit()
        return process.terminationReason == .uncaughtSignal
            ? 128 + process.terminationStatus : process.terminationStatus
    }
}

extension FileHandle {
    /// Lines as they come.
    var bytesByLine: AsyncStream<String> {
        AsyncStream { lines in
            let thread = Thread {
                var line: [UInt8] = []
                while let byte = try? self.read(upToCount: 1), let first = byte.first {
                    if first == 0x0a {
                        lines.yield(String(decoding: line, as: UTF8.self))
                        line = []
                    } else {
                        line.append(first)
                    }
                }
                lines.finish()
            }
            thread.start()
        }
    }
}
