import NIOCore
import NIOPosix
import Synchronization

/// A client that asks, reads nothing for a while, and then all that is still to be had.
public enum SilentClient {
    /// - Parameter asked: called once the request is on its way.
    /// - Returns: the number of bytes that came before the connection ended.
    public static func bytes(for request: ByteBuffer, from address: String, silent: Duration, asked: () -> Void = {})
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
            try await Task.sleep(for: silent)
            try await channel.setOption(.autoRead, value: true).get()
        } catch ChannelError.ioOnClosedChannel {
            // It was ended while we were silent, or slow.
        }
        try await channel.closeFuture.get()
        return counter.count.load(ordering: .relaxed)
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
