import Foundation
import NIOCore
import NIOPosix

/// A program that listens on ports of 127.0.0.1 as long as a test needs it.
enum LocalServer {
    /// How often ports are picked anew: one is free when it is picked and may be taken a moment later.
    private static let tries = 5

    /// Runs `body` while the program listens, and ends it then.
    ///
    /// - Parameters:
    ///   - count: how many ports it listens on.
    ///   - start: starts the program, told its ports.
    static func run<R>(
        ports count: Int, _ start: ([Int]) throws -> RunningProgram, _ body: ([Int]) async throws -> R
    ) async throws -> R {
        var lastError: any Error = CancellationError()
        for _ in 0..<tries {
            let ports = try await freePorts(count)
            let process = try start(ports)
            defer {
                process.signal(SIGTERM)
                process.endBlocking()
            }
            do {
                for port in ports { try await waitUntilReady(port, process) }
            } catch {
                lastError = error
                continue
            }
            return try await body(ports)
        }
        throw lastError
    }

    private static func freePorts(_ count: Int) async throws -> [Int] {
        var channels: [any Channel] = []
        for _ in 0..<count {
            channels.append(
                try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
                    .bind(host: "127.0.0.1", port: 0).get())
        }
        let ports = channels.map { $0.localAddress?.port ?? 0 }
        for channel in channels { try await channel.close() }
        return ports
    }

    private static func waitUntilReady(_ port: Int, _ process: RunningProgram) async throws {
        for _ in 0..<500 {
            guard process.isRunning else { throw ChannelError.eof }
            do {
                let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
                    .connect(host: "127.0.0.1", port: port).get()
                try await channel.close()
                return
            } catch {
                try await Task.sleep(for: .milliseconds(20))
            }
        }
        throw ChannelError.connectTimeout(.seconds(10))
    }
}
