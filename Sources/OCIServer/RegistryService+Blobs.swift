import HTTPTypes
import Hummingbird
import Logging
import NIOCore
import OCI

extension RegistryService {
    /// A blob up to this size is read and checked before the first byte of the answer, so that damage is a status.
    private static let heldSize: Int64 = 128 << 10
    /// The most bytes that are read at a time; about four times as many are held for each client.
    private static let pieceSize = 128 << 10

    func blob(
        _ name: RepositoryName, _ digest: Digest, _ query: RegistryQuery, _ request: Request, on channel: any Channel
    ) async throws -> Response {
        let source = try await randomAccess(name, query)
        guard let blob = try await asking(.blobUnknown, for: digest, { try await source.blob(digest) }) else {
            if let image = await promised.image(with: digest) {
                let lost = OCIError(
                    .damaged, "blob \(digest) is missing from \(source.name), whose image \(image) needs it",
                    advice: "lifeboat verify names all that is missing")
                logger.error("\(lost.description)")
                faults.note(lost, about: digest)
                // Who may push can bring it back, once told that it is not there.
                if target == nil { throw RegistryError(lost, notFound: .blobUnknown) }
            }
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

    func deleteBlob(_ name: RepositoryName, _ digest: Digest, _ query: RegistryQuery) async throws -> Response {
        guard let target = try await writable(name, query) as? any DeletingTarget else {
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

    private func randomAccess(_ name: RepositoryName, _ query: RegistryQuery) async throws -> any RandomAccessSource {
        guard
            let source = try await asking(.nameUnknown, { try await source(name, query) }) as? any RandomAccessSource
        else { throw RegistryError(.notImplemented, .unsupported, "the blobs of this store cannot be served") }
        return source
    }

    /// The whole blob. The first time it is hashed on its way: a mismatch breaks the connection before the last chunk.
    private func whole(
        _ blob: Descriptor, from source: any RandomAccessSource, _ headers: HTTPFields, on channel: any Channel
    ) async throws -> Response {
        if blob.size <= RegistryService.heldSize {
            let bytes = try await asking(.blobUnknown, for: blob.digest) {
                try await source.read(blob) { try await $0.collect(upTo: RegistryService.heldSize) }
            }
            figures.noteBlob()
            figures.noteSent(bytes.readableBytes)
            return Response(status: .ok, headers: headers, body: ResponseBody(byteBuffer: bytes))
        }
        let stamp = try await asking(.blobUnknown, for: blob.digest) { try await source.stamp(of: blob) }
        let isVerified = await verified.has(blob, stamp)
        let body = ResponseBody(contentLength: Int(blob.size)) { writer in
            try await sending(blob, on: channel, to: &writer) { write in
                if isVerified {
                    try await send(0..<blob.size, of: blob, stamp, from: source, write)
                } else {
                    let content = Content(blob, from: source.name) { send in
                        try await source.readUnverified(
                            blob, in: 0..<blob.size, by: RegistryService.pieceSize, send: send)
                    }
                    try await content.forEachChunk(write)
                    try await verified.remember(blob, stamp, in: source)
                }
                figures.noteBlob()
            }
        }
        return Response(status: .ok, headers: headers, body: body)
    }

    private func part(
        _ range: Range<Int64>, of blob: Descriptor, from source: any RandomAccessSource, _ headers: HTTPFields,
        on channel: any Channel
    ) async throws -> Response {
        let stamp = try await asking(.blobUnknown, for: blob.digest) { try await verified.stamp(of: blob, in: source) }
        var headers = headers
        headers[.contentLength] = String(range.count)
        headers[.contentRange] = "bytes \(range.lowerBound)-\(range.upperBound - 1)/\(blob.size)"
        let body = ResponseBody(contentLength: range.count) { writer in
            try await sending(blob, on: channel, to: &writer) { write in
                try await send(range, of: blob, stamp, from: source, write)
            }
        }
        return Response(status: .partialContent, headers: headers, body: body)
    }

    /// Sends bytes of a blob that has been read whole before, if it has not changed when the last of them goes out.
    private func send(
        _ range: Range<Int64>, of blob: Descriptor, _ stamp: String, from source: any RandomAccessSource,
        _ write: (ByteBuffer) async throws -> Void
    ) async throws {
        var withheld: ByteBuffer?
        try await source.readUnverified(blob, in: range, by: RegistryService.pieceSize) { chunk in
            if let ready = withheld { try await write(ready) }
            withheld = chunk
        }
        guard try await source.stamp(of: blob) == stamp else {
            throw OCIError(.damaged, "blob \(blob.digest) in \(source.name) changed while it was sent")
        }
        if let withheld { try await write(withheld) }
    }

    /// - Parameter body: is given what sends bytes.
    private func sending(
        _ blob: Descriptor, on channel: any Channel, to writer: inout any ResponseBodyWriter,
        isolation: isolated (any Actor)? = #isolation,
        _ body: (_ write: (ByteBuffer) async throws -> Void) async throws -> Void
    ) async throws {
        do {
            try await watch.watch(channel) { progress in
                try await body { chunk in
                    try await progress.write { try await writer.write(chunk) }
                    figures.noteSent(chunk.readableBytes)
                }
                try await progress.write { try await writer.finish(nil) }
            }
        } catch let error as any Failure {
            logger.error("\(error.description)")
            faults.note(error, about: blob.digest)
            throw error
        }
    }
}
