import NIOCore
import NIOHTTP1
import OCI

/// An upload in several requests, each of which goes on where the registry says that it stands
/// (distribution specification, "Pushing a blob in chunks").
actor ChunkedUpload {
    private let repository: RemoteRepository
    private let what: String
    /// Where the next request goes; the registry may change it with every answer.
    private(set) var session: WebAddress
    /// Bytes that the registry has.
    private var offset: Int64 = 0

    init(repository: RemoteRepository, session: WebAddress, what: String) {
        self.repository = repository
        self.session = session
        self.what = what
    }

    /// Adds bytes at the end. After a fault, whatever part has not arrived is sent again (R28).
    func append(_ chunk: ByteBuffer) async throws {
        let start = offset
        let end = start + Int64(chunk.readableBytes)
        var attempt = 1
        while offset < end {
            let before = offset
            do {
                try await patch(chunk, start: start)
            } catch let error as RegistryError where error.isTransient {
                try await repository.registry.loop.pause(after: error, attempt: attempt)
                try await ask(between: start, and: end)
                attempt = offset > before ? 1 : attempt + 1
            }
        }
    }

    private func patch(_ chunk: ByteBuffer, start: Int64) async throws {
        var rest = chunk
        rest.moveReaderIndex(forwardBy: Int(offset - start))
        var request = Request(.write, .PATCH, session, access: repository.push, what: what)
        request.headers.add(name: "Content-Type", value: MediaType.octetStream.rawValue)
        request.headers.add(name: "Content-Range", value: "\(offset)-\(offset + Int64(rest.readableBytes) - 1)")
        request.body = rest
        request.takesFaults = true
        let sent = request
        let answer = try await repository.registry.answer(sent)
        guard !Answer.isFault(answer.status), answer.status != 416 else {
            throw RegistryError.transient(
                "\(repository.name) answers \(answer.status) to a part of \(what)", status: answer.status)
        }
        guard answer.status == 202 || answer.status == 204 else {
            throw repository.refusal(answer, of: what, otherwise: .conflict)
        }
        session = try BlobUpload.location(answer.headers, from: answer.address, of: repository)
        offset += Int64(rest.readableBytes)
    }

    /// Asks the registry how far it has come.
    private func ask(between start: Int64, and end: Int64) async throws {
        let request = Request(.write, .GET, session, access: repository.push, what: "the state of an upload")
        let answer = try await repository.registry.answer(request)
        guard answer.status == 204 || answer.status == 200 || answer.status == 202 else {
            throw RegistryError.transient(
                "\(repository.name) has lost the upload of \(what) (\(answer.status))", status: answer.status
            ).final(after: 1)
        }
        if answer.headers.contains(name: "Location") {
            session = try BlobUpload.location(answer.headers, from: answer.address, of: repository)
        }
        // "0-0" is what some send for nothing and others for one byte: sending that byte again would be a hole.
        let range = answer.headers.first(name: "Range").flatMap { $0.split(separator: "-").last }.flatMap { Int64($0) }
        let reached = range.map { $0 == 0 ? 0 : $0 + 1 } ?? 0
        guard (start...end).contains(reached) else {
            throw RegistryError.protocolViolation(
                "\(repository.name) says that it has \(reached) bytes of \(what), want \(start) to \(end)")
        }
        offset = reached
    }
}
