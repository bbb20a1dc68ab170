import NIOCore
import NIOHTTP1
import OCI

/// Some bytes of a blob, asked for by range until all of them have come.
struct BlobPart: Sendable {
    let download: BlobDownload
    /// The first byte, counted from that of the blob.
    let first: Int64
    let count: Int
    let source: Source

    /// Where parts come from.
    struct Source: Sendable {
        /// The registry's address of the blob, or the one of a storage host that it redirects to.
        var address: WebAddress
        /// The strong entity tag of what has been read so far; nil where there is none (RFC 9110, section 13.1.5).
        var tag: String?
    }

    struct Arrival: Sendable {
        let first: Int64
        let bytes: ByteBuffer
        let source: Source
        /// Whether the registry had to be asked again.
        let hadFaults: Bool
    }

    /// - Throws: `BlobDownload.WrongRange` if the registry answers with something else; it is no use to ask again.
    func read() async throws -> Arrival {
        var bytes = ByteBufferAllocator().buffer(capacity: count)
        var source = source
        var attempt = 1
        var hadFaults = false
        while true {
            let before = bytes.readableBytes
            do {
                source.address = try await exchange(&bytes, source)
                return Arrival(first: first, bytes: bytes, source: source, hadFaults: hadFaults)
            } catch is RegistryError where source.address != download.address {
                // A signed address of a storage host runs out; the registry gives a new one (R26).
                source.address = download.address
            } catch let error as RegistryError where error.isTransient {
                hadFaults = true
                if bytes.readableBytes > before { attempt = 1 }
                try await download.repository.registry.loop.pause(after: error, attempt: attempt)
                attempt += 1
            }
        }
    }

    private func exchange(_ bytes: inout ByteBuffer, _ source: Source) async throws -> WebAddress {
        let repository = download.repository
        let offset = first + Int64(bytes.readableBytes)
        let last = first + Int64(count) - 1
        var request = Request(.blob, .GET, source.address, access: repository.pull, what: download.what)
        request.headers.add(name: "Range", value: "bytes=\(offset)-\(last)")
        if let tag = source.tag { request.headers.add(name: "If-Range", value: tag) }
        return try await repository.registry.exchange(request) { exchange, head, address in
            try await check(exchange, head, address, asked: offset...last)
            while let chunk = try await exchange.chunk() {
                guard chunk.readableBytes <= count - bytes.readableBytes else {
                    throw BlobDownload.WrongRange(reason: "it sends more of \(download.what) than it was asked for")
                }
                repository.registry.noteReceived(chunk.readableBytes)
                // Copied: a slice of a few bytes would keep alive all of the buffer that they were read into.
                bytes.writeImmutableBuffer(chunk)
            }
            guard bytes.readableBytes == count else {
                throw RegistryError.transient(
                    "\(repository.name) ends a part of \(download.what) after \(bytes.readableBytes) bytes, want \(count)"
                )
            }
            return address
        }
    }

    private func check(
        _ exchange: Exchange, _ head: HTTPResponseHead, _ address: WebAddress, asked: ClosedRange<Int64>
    ) async throws {
        switch head.status.code {
        case 206:
            guard let range = ContentRange(head.headers["Content-Range"]), range.first == asked.lowerBound,
                range.last <= asked.upperBound, range.total ?? download.blob.size == download.blob.size
            else {
                throw BlobDownload.WrongRange(
                    reason: "asked for bytes \(asked.lowerBound) to \(asked.upperBound) of \(download.what), "
                        + "it sends another part")
            }
        case 200, 416: throw BlobDownload.WrongRange(reason: "it does not send \(download.what) in parts")
        default:
            throw download.refusal(head, try await exchange.collect(upTo: Request.errorLimit), address)
        }
    }
}
