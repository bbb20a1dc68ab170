import NIOCore
import NIOHTTP1
import NIOPosix
import Synchronization

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// An HTTP/1.1 server on a port of its own whose answers a test writes, down to the point where they break off.
public final class ScriptedRegistry: Sendable {
    public typealias Script = @Sendable (ScriptedRequest) -> ScriptedAnswer?

    /// `127.0.0.1:port`, or another address of this machine.
    public let host: String
    private let channel: any Channel
    fileprivate let log: Log

    fileprivate final class Log: Sendable {
        let requests = Mutex<[ScriptedRequest]>([])
        let connections = Mutex<[ObjectIdentifier: any Channel]>([:])

        /// Notes the request and says how many like it came before.
        func add(_ request: inout ScriptedRequest) {
            let (method, uri) = (request.method, request.uri)
            request.number = requests.withLock { $0.count { $0.method == method && $0.uri == uri } }
            requests.withLock { [request] in $0.append(request) }
        }
    }

    private init(channel: any Channel, address: String, log: Log) {
        self.channel = channel
        self.log = log
        host = "\(address):\(channel.localAddress?.port ?? 0)"
    }

    /// The port alone.
    public var port: Int { channel.localAddress?.port ?? 0 }

    /// Runs `body` against a server, which ends with it.
    ///
    /// - Parameters:
    ///   - address: an address of this machine, such as `127.0.0.2`, which stands for another host.
    ///   - port: 0 for any that is free.
    ///   - script: asked when a request is complete; nil is 404.
    public static func serve<R>(
        at address: String = "127.0.0.1", port: Int = 0, _ script: @escaping Script,
        _ body: (ScriptedRegistry) async throws -> R
    ) async throws -> R {
        try await serve(at: address, port: port, early: { _ in nil }, script, body)
    }

    /// Runs `body` against a server, which ends with it.
    ///
    /// - Parameters:
    ///   - early: asked when a request's head is there; an answer is sent at once and the body is left unread.
    ///   - script: asked when a request is complete; nil is 404.
    public static func serve<R>(
        at address: String = "127.0.0.1", port: Int = 0, early: @escaping Script, _ script: @escaping Script,
        _ body: (ScriptedRegistry) async throws -> R
    ) async throws -> R {
        let log = Log()
        let channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(ByteToMessageHandler(HTTPRequestDecoder()))
                    try channel.pipeline.syncOperations.addHandler(Responder(log: log, early: early, script: script))
                }
            }
            .bind(host: address, port: port).get()
        let server = ScriptedRegistry(channel: channel, address: address, log: log)
        do {
            let result = try await body(server)
            await server.stop()
            return result
        } catch {
            await server.stop()
            throw error
        }
    }

    private func stop() async {
        for connection in log.connections.withLock({ Array($0.values) }) { connection.close(promise: nil) }
        _ = await channel.close().awaitResult()
    }

    /// All requests so far, in the order in which their heads came.
    public var requests: [ScriptedRequest] { log.requests.withLock { $0 } }

    /// `METHOD uri` of each.
    public var lines: [String] { requests.map { "\($0.method) \($0.uri)" } }
}

public struct ScriptedRequest: Sendable {
    public let method: HTTPMethod
    /// Path and query.
    public let uri: String
    public let headers: HTTPHeaders
    public internal(set) var body: ByteBuffer
    /// How many requests of the same method and address came before.
    public internal(set) var number: Int

    public var path: String { String(uri.prefix { $0 != "?" }) }
    public var line: String { "\(method) \(path)" }
    public var bytes: [UInt8] { Array(body.readableBytesView) }
    public func header(_ name: String) -> String? { headers.first(name: name) }
}

public struct ScriptedAnswer: Sendable {
    public enum Ending: Sendable, Hashable {
        case whole
        /// After so many bytes of the body nothing more comes.
        case stall(after: Int)
        /// After so many bytes of the body the connection is closed or reset.
        case close(after: Int)
        case reset(after: Int)
    }

    /// No answer at all: the connection is reset.
    public static let broken = ScriptedAnswer(0)
    /// No answer at all: the connection stays open.
    public static let silent = ScriptedAnswer(1)

    public var status: Int
    public var headers: HTTPHeaders
    public var body: ByteBuffer
    public var ending: Ending
    /// Bytes of the body a second; nil for as fast as it goes. The ending does not count then.
    public var rate: Int?

    /// - Parameter headers: `Content-Length` is added unless there is one here, or a `Transfer-Encoding`.
    public init(_ status: Int, _ headers: HTTPHeaders = [:], body: ByteBuffer = ByteBuffer(), ending: Ending = .whole) {
        self.status = status
        self.headers = headers
        self.body = body
        self.ending = ending
    }

    public init(_ status: Int, _ headers: HTTPHeaders = [:], text: String, ending: Ending = .whole) {
        self.init(status, headers, body: ByteBuffer(string: text), ending: ending)
    }
}

extension EventLoopFuture {
    fileprivate func awaitResult() async -> Result<Value, any Error> where Value: Sendable {
        do { return .success(try await get()) } catch { return .failure(error) }
    }
}

private final class Responder: ChannelInboundHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = ByteBuffer

    private let log: ScriptedRegistry.Log
    private let early: ScriptedRegistry.Script
    private let script: ScriptedRegistry.Script
    private var request: ScriptedRequest?

    init(log: ScriptedRegistry.Log, early: @escaping ScriptedRegistry.Script, script: @escaping ScriptedRegistry.Script)
    {
        self.log = log
        self.early = early
        self.script = script
    }

    func channelActive(context: ChannelHandlerContext) {
        let channel = context.channel
        log.connections.withLock { $0[ObjectIdentifier(channel)] = channel }
    }

    func channelInactive(context: ChannelHandlerContext) {
        let channel = context.channel
        log.connections.withLock { $0[ObjectIdentifier(channel)] = nil }
    }

    /// What is no HTTP request gets the answer that most servers give.
    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        let channel = context.channel
        context.writeAndFlush(wrapOutboundOut(ByteBuffer(string: "HTTP/1.1 400 Bad Request\r\n\r\n"))).whenComplete {
            _ in channel.close(promise: nil)
        }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head(let head):
            var new = ScriptedRequest(
                method: head.method, uri: head.uri, headers: head.headers, body: ByteBuffer(), number: 0)
            log.add(&new)
            if let answer = early(new) {
                _ = context.channel.setOption(.autoRead, value: false)
                send(answer, to: new, context)
            } else {
                request = new
            }
        case .body(let part): request?.body.writeImmutableBuffer(part)
        case .end:
            guard let complete = request else { return }
            request = nil
            log.requests.withLock { requests in
                let index = requests.lastIndex {
                    $0.method == complete.method && $0.uri == complete.uri && $0.number == complete.number
                }
                if let index { requests[index].body = complete.body }
            }
            send(script(complete) ?? ScriptedAnswer(404), to: complete, context)
        }
    }

    private func send(_ answer: ScriptedAnswer, to request: ScriptedRequest, _ context: ChannelHandlerContext) {
        if answer.status == ScriptedAnswer.broken.status { return Responder.reset(context.channel) }
        if answer.status == ScriptedAnswer.silent.status { return }
        var headers = answer.headers
        if !headers.contains(name: "Content-Length"), !headers.contains(name: "Transfer-Encoding"),
            answer.status != 204
        {
            headers.add(name: "Content-Length", value: String(answer.body.readableBytes))
        }
        var output = ByteBuffer(string: "HTTP/1.1 \(answer.status) Scripted\r\n")
        for (name, value) in headers { output.writeString("\(name): \(value)\r\n") }
        output.writeString("\r\n")
        var body = request.method == .HEAD ? ByteBuffer() : answer.body
        switch answer.ending {
        case .whole: break
        case .stall(let count), .close(let count), .reset(let count):
            body = body.getSlice(at: body.readerIndex, length: min(count, body.readableBytes)) ?? ByteBuffer()
        }
        let channel = context.channel
        if let rate = answer.rate {
            channel.writeAndFlush(output, promise: nil)
            return Responder.drip(body, rate: rate, channel)
        }
        output.writeImmutableBuffer(body)
        let sent = context.writeAndFlush(wrapOutboundOut(output))
        switch answer.ending {
        case .whole, .stall: break
        case .close: sent.whenComplete { _ in channel.close(promise: nil) }
        case .reset:
            sent.whenComplete { _ in
                // A moment for the bytes to be read, which a reset would take away again.
                channel.eventLoop.scheduleTask(in: .milliseconds(50)) { Responder.reset(channel) }
            }
        }
    }

    private static func drip(_ body: ByteBuffer, rate: Int, _ channel: any Channel) {
        var rest = body
        guard channel.isActive, let piece = rest.readSlice(length: min(rate / 100, rest.readableBytes)),
            piece.readableBytes > 0
        else { return }
        channel.writeAndFlush(piece, promise: nil)
        channel.eventLoop.scheduleTask(in: .milliseconds(10)) { [rest] in drip(rest, rate: rate, channel) }
    }

    private static func reset(_ channel: any Channel) {
        // Closing without lingering throws away what is unsent and says so with RST.
        (channel as? any SocketOptionProvider)?.setSoLinger(linger(l_onoff: 1, l_linger: 0)).whenComplete { _ in
            channel.close(promise: nil)
        }
    }
}
