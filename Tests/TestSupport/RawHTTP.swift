import NIOCore
import NIOPosix

/// One request as it is written, and what comes back: nothing in between makes either of them well-behaved.
public struct RawHTTP: Sendable {
    public let status: Int
    public let headers: [String: String]
    public let body: ByteBuffer
    /// Whether the connection ended before the announced length.
    public let isCutShort: Bool

    public var text: String { String(buffer: body) }

    /// - Parameters:
    ///   - line: method and target, such as `GET /v2/`.
    ///   - headers: besides Host, Connection and Content-Length.
    public static func send(
        _ line: String, to address: String, _ headers: [String: String] = [:], body: ByteBuffer = ByteBuffer()
    ) async throws -> RawHTTP {
        var request = "\(line) HTTP/1.1\r\nHost: \(address)\r\nConnection: close\r\n"
        for (name, value) in headers.sorted(by: { $0.key < $1.key }) { request += "\(name): \(value)\r\n" }
        if headers["Content-Length"] == nil, headers["Transfer-Encoding"] == nil {
            request += "Content-Length: \(body.readableBytes)\r\n"
        }
        var bytes = ByteBuffer(string: request + "\r\n")
        bytes.writeImmutableBuffer(body)
        let answer = try await exchange(bytes, with: address)
        return RawHTTP(answer, isHead: line.hasPrefix("HEAD "))
    }

    /// Sends bytes and reads until the other side closes.
    ///
    /// - Parameter breaksOff: whether the sending side of the connection ends behind the bytes.
    @discardableResult
    public static func exchange(_ bytes: ByteBuffer, with address: String, breaksOff: Bool = false) async throws
        -> ByteBuffer
    {
        let parts = address.split(separator: ":")
        let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .connect(host: String(parts[0]), port: Int(parts[1])!) { channel in
                channel.eventLoop.makeCompletedFuture {
                    try NIOAsyncChannel<ByteBuffer, ByteBuffer>(
                        wrappingChannelSynchronously: channel,
                        configuration: .init(isOutboundHalfClosureEnabled: true))
                }
            }
        return try await channel.executeThenClose { inbound, outbound in
            try await outbound.write(bytes)
            if breaksOff { outbound.finish() }
            var answer = ByteBuffer()
            do {
                for try await chunk in inbound { answer.writeImmutableBuffer(chunk) }
            } catch is IOError {
                // A reset ends the answer like any other close.
            }
            return answer
        }
    }

    init(_ answer: ByteBuffer, isHead: Bool) {
        let view = answer.readableBytesView
        let end = view.indices.first { view[$0...].starts(with: Array("\r\n\r\n".utf8)) } ?? view.endIndex
        let lines = String(decoding: view[..<end], as: UTF8.self).split(separator: "\r\n")
        status = lines.first?.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0
        var headers: [String: String] = [:]
        for line in lines.dropFirst() {
            let parts = line.split(separator: ":", maxSplits: 1)
            headers[parts[0].lowercased()] = parts.count == 2 ? String(parts[1].drop { $0 == " " }) : ""
        }
        self.headers = headers
        body = ByteBuffer(bytes: view[end...].dropFirst(4))
        let announced = headers["content-length"].flatMap { Int($0) } ?? 0
        isCutShort = !isHead && body.readableBytes < announced
    }
}
