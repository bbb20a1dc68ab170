import NIOCore
import NIOPosix
import OCI
import Synchronization

/// An HTTP proxy that makes tunnels (CONNECT), whatever their target is called, to one server or to several in turn.
public final class TunnelProxy: Sendable {
    /// `127.0.0.1:port`.
    public let host: String
    private let log: Log

    /// `host:port` of each tunnel that was made.
    public var targets: [String] { log.targets.withLock { $0 } }
    /// Everything that came before the tunnels were made.
    public var heads: [String] { log.heads.withLock { $0 } }

    fileprivate final class Log: Sendable {
        let targets = Mutex<[String]>([])
        let heads = Mutex<[String]>([])
    }

    private init(host: String, log: Log) {
        self.host = host
        self.log = log
    }

    /// - Parameters:
    ///   - servers: `address:port` of each, to which tunnels lead in turn.
    ///   - login: `user:password` that must be given; nil for none.
    public static func run<R>(to servers: String..., login: String? = nil, _ body: (TunnelProxy) async throws -> R)
        async throws -> R
    {
        let log = Log()
        let wanted = login.map { "Proxy-Authorization: Basic " + Base64.encode($0.utf8) }
        let all = try servers.map { server in
            let parts = server.split(separator: ":")
            return try SocketAddress(ipAddress: String(parts[0]), port: Int(parts[1]) ?? 0)
        }
        let count = Mutex(0)
        let channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelInitializer { channel in
                let number = count.withLock { count in
                    count += 1
                    return count
                }
                let target = all[number % all.count]
                return channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(Greeter(log: log, wanted: wanted, target: target))
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        let proxy = TunnelProxy(host: "127.0.0.1:\(channel.localAddress?.port ?? 0)", log: log)
        do {
            let result = try await body(proxy)
            try await channel.close()
            return result
        } catch {
            try await channel.close()
            throw error
        }
    }

    /// Reads the request for a tunnel, then passes bytes on.
    private final class Greeter: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        typealias OutboundOut = ByteBuffer

        private let log: Log
        private let wanted: String?
        private let target: SocketAddress
        private var head = ByteBuffer()
        private var other: (any Channel)?
        private var isGreeted = false

        init(log: Log, wanted: String?, target: SocketAddress) {
            self.log = log
            self.wanted = wanted
            self.target = target
        }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            var bytes = unwrapInboundIn(data)
            if let other { return other.writeAndFlush(bytes, promise: nil) }
            head.writeBuffer(&bytes)
            let text = String(buffer: head)
            guard !isGreeted, text.hasSuffix("\r\n\r\n") else { return }
            isGreeted = true
            log.heads.withLock { $0.append(text) }
            let lines = text.split(separator: "\r\n").map { $0.lowercased() }
            if let wanted, !lines.contains(wanted.lowercased()) || !text.contains(wanted.split(separator: " ")[2]) {
                let refusal =
                    "HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic\r\nContent-Length: 0\r\n\r\n"
                context.writeAndFlush(wrapOutboundOut(ByteBuffer(string: refusal)), promise: nil)
                return
            }
            let words = text.split(separator: " ")
            if words.count > 1 { log.targets.withLock { $0.append(String(words[1])) } }
            let channel = context.channel
            let loop = NIOLoopBound(self, eventLoop: context.eventLoop)
            ClientBootstrap(group: context.eventLoop)
                .channelInitializer { other in
                    other.eventLoop.makeCompletedFuture {
                        try other.pipeline.syncOperations.addHandler(Passer(to: channel))
                    }
                }
                .connect(to: target).whenComplete { result in
                    switch result {
                    case .success(let other):
                        loop.value.other = other
                        channel.writeAndFlush(
                            ByteBuffer(string: "HTTP/1.1 200 Connection established\r\n\r\n"), promise: nil)
                    case .failure: channel.close(promise: nil)
                    }
                }
        }

        func channelInactive(context: ChannelHandlerContext) { other?.close(promise: nil) }
    }

    private final class Passer: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer

        private let other: any Channel

        init(to other: any Channel) {
            self.other = other
        }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            other.writeAndFlush(unwrapInboundIn(data), promise: nil)
        }

        func channelInactive(context: ChannelHandlerContext) { other.close(promise: nil) }
    }
}
