import NIOCore
import NIOHTTP1
import OCI

/// The bytes of a blob, read on over passing faults: what has come is not asked for again.
struct BlobDownload: Sendable {
    let repository: RemoteRepository
    let blob: Descriptor

    /// What `send` throws is not ours to deal with, whatever kind of error it is.
    private struct Rejected: Error { let cause: any Error }

    /// An answer that was no use because of what it says of its range; the next one is asked for without.
    private struct WrongRange: Error { let reason: String }

    /// - Parameter start: the first byte to send.
    func run(from start: Int64, _ send: (ByteBuffer) async throws -> Void) async throws {
        var offset = start
        var attempt = 1
        var asksForRange = true
        guard offset < blob.size || blob.size == 0 else { return }
        while true {
            let before = offset
            do {
                try await exchange(&offset, asksForRange: asksForRange, send)
                return
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

    private var what: String { "blob \(blob.digest)" }

    private func exchange(
        _ offset: inout Int64, asksForRange: Bool, _ send: (ByteBuffer) async throws -> Void
    ) async throws {
        var request = Request(
            .blob, .GET, repository.address("blobs/\(blob.digest)"), access: repository.pull, what: what)
        if offset > 0, asksForRange { request.headers.add(name: "Range", value: "bytes=\(offset)-") }
        try await repository.registry.exchange(request) { exchange, head, address in
            var unwanted = try await bytesToSkip(exchange, head, address, wanted: offset)
            while var chunk = try await exchange.chunk() {
                if unwanted > 0 {
                    let skipped = min(Int64(chunk.readableBytes), unwanted)
                    chunk.moveReaderIndex(forwardBy: Int(skipped))
                    unwanted -= skipped
                }
                guard chunk.readableBytes > 0 else { continue }
                do { try await send(chunk) } catch { throw Rejected(cause: error) }
                offset += Int64(chunk.readableBytes)
            }
            try checkEnd(head, at: offset)
        }
    }

    /// How many bytes of the answer come before the first that is wanted.
    private func bytesToSkip(
        _ exchange: Exchange, _ head: HTTPResponseHead, _ address: WebAddress, wanted offset: Int64
    ) async throws -> Int64 {
        switch head.status.code {
        case 200:
            try checkCoding(head)
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

    /// Some stores label a compressed layer as encoded; it is the layer itself if the length is right (R6).
    private func checkCoding(_ head: HTTPResponseHead) throws(RegistryError) {
        guard let coding = head.headers.first(name: "Content-Encoding"), coding.lowercased() != "identity",
            length(head) != blob.size
        else { return }
        throw .protocolViolation(
            "\(repository.name) sends \(what) in the encoding '\(shown(coding, limit: 40))', want identity",
            advice: "switch compression off in the proxy in front of the registry")
    }

    private func length(_ head: HTTPResponseHead) -> Int64? {
        head.headers.first(name: "Content-Length").flatMap { Int64($0) }
    }

    private func refusal(_ head: HTTPResponseHead, _ body: ByteBuffer, _ address: WebAddress) -> RegistryError {
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
