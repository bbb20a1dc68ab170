import HTTPTypes
import Hummingbird
import Logging
import NIOCore
import OCI

extension RegistryService {
    /// A blob up to this size is read and checked before the first byte of the answer, so that damage is a status.
    private static let heldSize: Int64 = 128 << 10
    /// The most bytes that are read at a time; about four times as many are held for each client.
    private static let pieceSize: Int64 = 64 << 10

    func blob(_ name: RepositoryName, _ digest: Digest, _ request: Request, on channel: any Channel) async throws
        -> Response
    {
        let source = try await randomAccess(name)
        guard let blob = try await asking(.blobUnknown, for: digest, { try await source.blob(digest) }) else {
            throw RegistryError(.notFound, .blobUnknown, "\(name) has no blob \(digest)")
        }
        var headers = identity(of: blob, type: MediaType.octetStream.rawValue)
        headers[.acceptRanges] = "bytes"
        if isKnown(digest, to: request) {
            headers[.contentLength] = nil
            return Response(status: .notModified, headers: headers)
        }
        if request.method == .head { return Response(status: .ok, headers: headers) }
        var range = ByteRange(request.headers[.range], size: blob.size)
        if let condition = request.headers[.ifRange], condition != headers[.eTag] { range = .whole }
        switch range {
        case .whole: return try await whole(blob, from: source, headers, on: channel)
        case .part(let range): return try await part(range, of: blob, from: source, headers, on: channel)
        case .unsatisfiable:
            throw RegistryError(
                .rangeNotSatisfiable, .sizeInvalid, "the blob has \(blob.size) bytes",
                headers: [.contentRange: "bytes */\(blob.size)"])
        }
    }

    func deleteBlob(_ name: RepositoryName, _ digest: Digest) async throws -> Response {
        guard let target = try await writable(name) as? any DeletingTarget else {
            throw RegistryError.notAllowed("this registry does not delete", allow: "GET, HEAD")
        }
        let wasThere = try await asking(.blobUnknown) {
            do {
                return try await target.deleteBlob(digest)
            } catch let error as any Failure where error.kind == .conflict {
                throw RegistryError.notAllowed("blob \(digest) belongs to an image", allow: "GET, HEAD")
            }
        }
        guard wasThere else { throw RegistryError(.notFound, .blobUnknown, "\(name) has no blob \(digest)") }
        return Response(status: .accepted)
    }

    private func randomAccess(_ name: RepositoryName) async throws -> any RandomAccessSource {
        guard let source = try await asking(.nameUnknown, { try await store.source(name) }) as? any RandomAccessSource
        else { throw RegistryError(.notImplemented, .unsupported, "the blobs of this store cannot be served") }
        return source
    }

    /// The whole blob, hashed on its way: a late mismatch breaks the connection before the last chunk.
    private func whole(
        _ blob: Descriptor, from source: any RandomAccessSource, _ headers: HTTPFields, on channel: any Channel
    ) async throws -> Response {
        if blob.size <= RegistryService.heldSize {
            let bytes = try await asking(.blobUnknown, for: blob.digest) {
                try await source.read(blob) { try await $0.collect(upTo: RegistryService.heldSize) }
            }
            return Response(status: .ok, headers: headers, body: ResponseBody(byteBuffer: bytes))
        }
        let stamp = try await asking(.blobUnknown, for: blob.digest) { try await source.stamp(of: blob) }
        let body = ResponseBody(contentLength: Int(blob.size)) { writer in
            try await sending(blob, on: channel) { progress in
                let content = Content(blob, from: source.name) { send in
                    try await pieces(of: blob, in: 0..<blob.size, from: source, send)
                }
                try await content.forEachChunk { chunk in try await progress.write { try await writer.write(chunk) } }
                try await verified.remember(blob, stamp, in: source)
                try await progress.write { try await writer.finish(nil) }
            }
        }
        return Response(status: .ok, headers: headers, body: body)
    }

    /// A part of a blob that has been read whole before, and has not changed when the last byte goes out.
    private func part(
        _ range: Range<Int64>, of blob: Descriptor, from source: any RandomAccessSource, _ headers: HTTPFields,
        on channel: any Channel
    ) async throws -> Response {
        let stamp = try await asking(.blobUnknown, for: blob.digest) { try await verified.stamp(of: blob, in: source) }
        var headers = headers
        headers[.contentLength] = String(range.count)
        headers[.contentRange] = "bytes \(range.lowerBound)-\(range.upperBound - 1)/\(blob.size)"
        let body = ResponseBody(contentLength: range.count) { writer in
            try await sending(blob, on: channel) { progress in
                var withheld: ByteBuffer?
                try await pieces(of: blob, in: range, from: source) { chunk in
                    if let ready = withheld { try await progress.write { try await writer.write(ready) } }
                    withheld = chunk
                }
                guard try await source.stamp(of: blob) == stamp else {
                    throw OCIError(.damaged, "blob \(blob.digest) in \(source.name) changed while it was sent")
                }
                if let withheld { try await progress.write { try await writer.write(withheld) } }
                try await progress.write { try await writer.finish(nil) }
            }
        }
        return Response(status: .partialContent, headers: headers, body: body)
    }

    /// Reads no more at once than is fit to wait for a slow client.
    private func pieces(
        of blob: Descriptor, in range: Range<Int64>, from source: any RandomAccessSource,
        _ send: (ByteBuffer) async throws -> Void
    ) async throws {
        var start = range.lowerBound
        while start < range.upperBound {
            let end = min(start + RegistryService.pieceSize, range.upperBound)
            try await source.readUnverified(blob, in: start..<end, send: send)
            start = end
        }
    }

    private func sending(
        _ blob: Descriptor, on channel: any Channel, isolation: isolated (any Actor)? = #isolation,
        _ body: (WriteProgress) async throws -> Void
    ) async throws {
        do {
            try await watch.watch(channel, body)
        } catch let error as any Failure {
            logger.error("\(error.description)")
            faults.note(error, about: blob.digest)
            throw error
        }
    }
}
