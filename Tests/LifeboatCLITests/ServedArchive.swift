import Foundation
import Synchronization
import TestSupport

/// `lifeboat serve` as a process of its own.
struct ServedArchive {
    let host: String
    private let process: RunningProgram
    private let story: Story

    /// What it has said so far, on its standard error.
    private final class Story: Sendable {
        private let text = Mutex("")
        var words: String { text.withLock { $0 } }
        func add(_ line: String) { text.withLock { $0 += line + "\n" } }
    }

    /// Waits for the line that names the port.
    static func start(_ path: String, _ arguments: String...) async throws -> ServedArchive {
        let pipe = Pipe()
        let process = try RunningProgram(
            Lifeboat.binary, ["serve", path, "--listen", "127.0.0.1:0"] + arguments, errors: pipe.fileToWrite)
        try pipe.fileHandleForWriting.close()
        let story = Story()
        let (hosts, host) = AsyncStream.makeStream(of: String.self)
        Task {
            for await line in pipe.fileHandleForReading.bytesByLine {
                story.add(line)
                if line.hasPrefix("serving "), let scheme = line.range(of: "://") {
                    host.yield(String(line[scheme.upperBound...].prefix { $0 != "/" }))
                }
            }
            host.finish()
        }
        for await host in hosts { return ServedArchive(host: host, process: process, story: story) }
        throw NotServing(said: story.words)
    }

    func said() -> String { story.words }

    struct NotServing: Error { let said: String }

    /// - Returns: the exit code.
    func stop() async -> Int32 {
        process.signal(SIGTERM)
        let status = await process.end()
        // The last lines are still on their way.
        for _ in 0..<500 where !story.words.contains("stopped by") {
            do { try await Task.sleep(for: .milliseconds(10)) } catch { break }
        }
        return status
    }
}

extension Pipe {
    /// For a program that is started with it.
    var fileToWrite: String { "/dev/fd/\(fileHandleForWriting.fileDescriptor)" }
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
