import Foundation
import NIOCore
import NIOPosix
import Synchronization

/// A client that asks, reads nothing for a while, and then all that is still to be had.
public enum SilentClient {
    public enum Silence: Sendable {
        case time(Duration)
        /// Until the server has closed its end, ten minutes at most.
        case untilLetGo
    }

    /// - Parameter asked: called once the request is on its way.
    /// - Returns: the number of bytes that came before the connection ended.
    public static func bytes(for request: ByteBuffer, from address: String, silent: Silence, asked: () -> Void = {})
        async throws -> Int
    {
        let parts = address.split(separator: ":")
        let counter = ByteCounter()
        let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .channelOption(.autoRead, value: false)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture { try channel.pipeline.syncOperations.addHandler(counter) }
            }
            .connect(host: String(parts[0]), port: Int(parts[1])!).get()
        do {
            try await channel.writeAndFlush(request).get()
            asked()
            switch silent {
            case .time(let duration): try await Task.sleep(for: duration)
            case .untilLetGo:
                let end = ContinuousClock.now + .seconds(600)
                while try isKept(channel), ContinuousClock.now < end { try await Task.sleep(for: .milliseconds(100)) }
            }
            try await channel.setOption(.autoRead, value: true).get()
        } catch ChannelError.ioOnClosedChannel {
            // It was ended while we were silent, or slow.
        }
        try await channel.closeFuture.get()
        return counter.count.load(ordering: .relaxed)
    }

    /// Whether the server's end of a connection is open (proc_pid_net(5), "/proc/net/tcp").
    private static func isKept(_ channel: any Channel) throws -> Bool {
        guard let server = channel.remoteAddress?.port, let client = channel.localAddress?.port else { return false }
        let ends = [server, client].map { String($0, radix: 16, uppercase: true) }
        // To its end: it has no size that could be asked for.
        let table = try FileHandle(forReadingFrom: URL(fileURLWithPath: "/proc/net/tcp")).readToEnd() ?? Data()
        return String(decoding: table, as: UTF8.self).split(separator: "\n").contains { line in
            let words = line.split(separator: " ")
            // The state 01 is an established connection.
            return words.count > 3 && words[3] == "01"
                && zip(words[1...2], ends).allSatisfy {
                    $0.hasSuffix(":" + String(repeating: "0", count: 4 - $1.count) + $1)
                }
        }
    }
}

private final class ByteCounter: ChannelInboundHandler, Sendable {
    typealias InboundIn = ByteBuffer
    let count = Atomic<Int>(0)

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        count.add(unwrapInboundIn(data).readableBytes, ordering: .relaxed)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        context.close(promise: nil)
    }
}
