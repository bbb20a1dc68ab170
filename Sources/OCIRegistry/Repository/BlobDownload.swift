import NIOCore
import NIOHTTP1
import OCI

/// The bytes of a blob, read on over passing faults: what has come is not asked for again.
///
/// It begins with one connection. Where that is slow, more of them read parts of it (`BlobDownload+Parts.swift`).
struct BlobDownload: Sendable {
    let repository: RemoteRepository
    let blob: Descriptor

    /// What `send` throws is not ours to deal with, whatever kind of error it is.
    struct Rejected: Error { let cause: any Error }

    /// An answer that was no use because of what it says of its range; the next one is asked for without.
    struct WrongRange: Error { let reason: String }

    /// How a request for all that is left has ended.
    private enum End {
        case complete
        /// It was given up, since the connection is slow; the rate is that of all connections to the registry.
        case slow(BlobPart.Source, rate: Double)
    }

    /// - Parameter start: the first byte to send.
    func run(from start: Int64, _ send: (ByteBuffer) async throws -> Void) async throws {
        var offset = start
        var attempt = 1
        var asksForRange = true
        var pace = Pace(policy)
        // What is read a second time may have come damaged because of its parts (R8).
        let mayDivide = registry.withMemory { [blob] in !$0.divided.contains(blob.digest) }
        guard offset < blob.size || blob.size == 0 else { return }
        while true {
            let before = offset
            do {
                switch try await exchange(
                    &offset, asksForRange: asksForRange, &pace, mayDivide: mayDivide && asksForRange, send)
                {
                case .complete: return
                case .slow(let source, let rate):
                    let end = try await runInParts(&offset, of: source, rate: rate, send)
                    if case .refused = end { registry.withMemory { $0.sendsParts = false } }
                    guard offset < blob.size else {
                        registry.withMemory { [blob] in _ = $0.divided.insert(blob.digest) }
                        return
                    }
                    pace.retreat()
                }
            } catch let rejected as Rejected {
                throw rejected.cause
            } catch let wrong as WrongRange {
                guard asksForRange else {
                    throw RegistryError.protocolViolation("\(repository.name): \(wrong.reason)")
                }
                asksForRange = false
            } catch let error as RegistryError where error.isTransient {
                if offset > before { attempt = 1 }
                try await repository.registry.loop.pause(after: error, attempt: attempt)
                attempt += 1
            }
        }
    }

    var what: String { "blob \(blob.digest)" }
    var address: WebAddress { repository.address("blobs/\(blob.digest)") }
    var policy: RangePolicy { registry.options.ranges }
    private var registry: Registry { repository.registry }

    private func exchange(
        _ offset: inout Int64, asksForRange: Bool, _ pace: inout Pace, mayDivide: Bool,
        _ send: (ByteBuffer) async throws -> Void
    ) async throws -> End {
        var request = Request(.blob, .GET, address, access: repository.pull, what: what)
        if offset > 0, asksForRange { request.headers.add(name: "Range", value: "bytes=\(offset)-") }
        return try await registry.exchange(request) { exchange, head, address in
            var unwanted = try await bytesToSkip(exchange, head, address, wanted: offset)
            let coding = try coding(of: head)
            pace.restart(received: registry.received, at: registry.uptime())
            while true {
                let asked = registry.uptime()
                guard let arrived = try await exchange.chunk() else { break }
                let now = registry.uptime()
                registry.noteReceived(arrived.readableBytes)
                let slowRate = pace.slowRate(
                    after: arrived.readableBytes, waiting: now - asked, received: registry.received, at: now)
                coding.add(arrived)
                while var chunk = try coding.next() {
                    if unwanted > 0 {
                        let skipped = min(Int64(chunk.readableBytes), unwanted)
                        chunk.moveReaderIndex(forwardBy: Int(skipped))
                        unwanted -= skipped
                    }
                    guard chunk.readableBytes > 0 else { continue }
                    do { try await send(chunk) } catch { throw Rejected(cause: error) }
                    offset += Int64(chunk.readableBytes)
                }
                if let slowRate, mayDivide, canDivide(head, at: offset) {
                    return .slow(BlobPart.Source(address: address, tag: strongTag(head)), rate: slowRate)
                }
            }
            try checkEnd(head, at: offset)
            return .complete
        }
    }

    /// Whether what is left is worth parts, and there is no sign that the registry sends none.
    private func canDivide(_ head: HTTPResponseHead, at offset: Int64) -> Bool {
        policy.connections > 1 && blob.size - offset >= policy.leastLeft
            && !head.headers.contains(name: "Content-Encoding") && head.headers.first(name: "Accept-Ranges") != "none"
            && registry.transport.spare > BlobDownload.spare && registry.withMemory { $0.sendsParts }
    }

    /// An entity tag by which equal bytes are known (RFC 9110, section 8.8.1); nil where there is none.
    private func strongTag(_ head: HTTPResponseHead) -> String? {
        head.headers.first(name: "ETag").flatMap { $0.hasPrefix("\"") && $0.hasSuffix("\"") ? $0 : nil }
    }

    /// How many bytes of the answer come before the first that is wanted.
    private func bytesToSkip(
        _ exchange: Exchange, _ head: HTTPResponseHead, _ address: WebAddress, wanted offset: Int64
    ) async throws -> Int64 {
        switch head.status.code {
        case 200:
            if MediaType(header: head.headers.first(name: "Content-Type") ?? "").rawValue == "text/html",
                length(head) != blob.size
            {
                throw refusal(head, ByteBuffer(), address)
            }
            return offset
        case 206:
            guard let range = ContentRange(head.headers["Content-Range"]), range.first == offset,
                range.last < blob.size, range.total ?? blob.size == blob.size
            else { throw WrongRange(reason: "asked for \(what) from byte \(offset) on, it sends another part") }
            return 0
        case 416: throw WrongRange(reason: "it has no byte \(offset) of \(what), want \(blob.size) bytes")
        default:
            throw refusal(head, try await exchange.collect(upTo: Request.errorLimit), address)
        }
    }

    /// An answer that ends without a length may have been cut off; one that stops short of its part goes on.
    private func checkEnd(_ head: HTTPResponseHead, at offset: Int64) throws(RegistryError) {
        guard offset < blob.size else { return }
        let isMarked = length(head) != nil || head.headers.contains(name: "Transfer-Encoding")
        guard head.status.code == 206 || !isMarked else { return }
        throw .transient("\(repository.name) ends \(what) after \(offset) bytes, want \(blob.size)")
    }

    /// How the body is encoded, though nobody asked for it.
    ///
    /// Some stores label a compressed layer as encoded; it is the layer itself if the length is right (R6).
    private func coding(of head: HTTPResponseHead) throws -> ContentCoding {
        let size = head.status.code == 206 ? ContentRange(head.headers["Content-Range"])?.total : length(head)
        guard let name = head.headers.first(name: "Content-Encoding"), size != blob.size else { return .none }
        guard let coding = ContentCoding(name) else {
            throw RegistryError.protocolViolation(
                "\(repository.name) sends \(what) in the encoding '\(shown(name, limit: 40))', want identity",
                advice: "switch compression off in the proxy in front of the registry")
        }
        guard head.status.code != 206 else {
            throw WrongRange(reason: "it sends a part of \(what) in the encoding '\(shown(name, limit: 40))'")
        }
        return coding
    }

    private func length(_ head: HTTPResponseHead) -> Int64? {
        head.headers.first(name: "Content-Length").flatMap { Int64($0) }
    }

    func refusal(_ head: HTTPResponseHead, _ body: ByteBuffer, _ address: WebAddress) -> RegistryError {
        let answer = Answer(status: Int(head.status.code), headers: head.headers, body: body, address: address)
        // A signed address of a storage host runs out; the registry gives a new one (R26).
        if !address.hasSameOrigin(as: repository.registry.root), [400, 401, 403, 410].contains(answer.status) {
            return .transient(
                "the storage \(shown(address.origin)) of \(repository.name) answers \(answer.status) to \(what)",
                status: answer.status)
        }
        return answer.status == 404 ? repository.lost(what) : repository.refusal(answer, of: what)
    }
}
