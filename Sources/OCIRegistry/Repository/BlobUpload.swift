import Logging
import NIOCore
import NIOHTTP1
import OCI

/// One blob on its way into a repository (distribution specification, "Pushing blobs").
struct BlobUpload: Sendable {
    let repository: RemoteRepository
    let content: Content

    private var registry: Registry { repository.registry }
    private var blob: Descriptor { content.descriptor }
    private var what: String { "blob \(blob.digest)" }
    private var place: Registry.BlobPlace {
        Registry.BlobPlace(repository: repository.repository, digest: blob.digest)
    }

    func run() async throws {
        guard content.prefix.count == 0 else {
            throw RegistryError(.internal, "an upload to \(repository.name) does not start at the first byte")
        }
        let session = try await session()
        do {
            if let size = chunkSize, Int64(size) < blob.size {
                try await sendInChunks(of: size, to: session)
            } else {
                try await sendWhole(to: session)
            }
        } catch let error as RegistryError where error.isTransient {
            // The whole is sent again by whoever has the content; what is asked here is only that it can be.
            throw error
        } catch {
            await cancel(session)
            throw error
        }
    }

    private var chunkSize: Int? {
        let digest = blob.digest
        let limit = registry.withMemory { memory in
            memory.largestUpload ?? (memory.refusedWithin.contains(digest) ? BlobUpload.smallChunk : nil)
        }
        if let limit { return limit }
        if case .chunks(let size) = registry.options.upload { return max(1, size) }
        return nil
    }

    // MARK: The session

    private func session() async throws -> WebAddress {
        let begun = registry.withMemory { $0.begun.removeValue(forKey: place) }
        if let begun { return begun }
        let request = Request(
            .write, .POST, repository.address("blobs/uploads/"), access: repository.push, what: "an upload")
        let answer = try await registry.answer(request)
        guard answer.status == 202 else { throw repository.refusal(answer, of: "an upload", otherwise: .conflict) }
        return try BlobUpload.location(answer.headers, from: answer.address, of: repository)
    }

    /// Where an upload goes on: at the registry itself, or the credentials would go elsewhere (R27).
    static func location(_ headers: HTTPHeaders, from address: WebAddress, of repository: RemoteRepository)
        throws(RegistryError) -> WebAddress
    {
        guard let text = headers.first(name: "Location"), let location = address.resolving(text) else {
            throw .protocolViolation("\(repository.name) begins an upload without saying where")
        }
        guard location.hasSameOrigin(as: repository.registry.root) else {
            throw RegistryError(
                .policy,
                "\(repository.name) wants uploads sent to another origin: got \(shown(location.origin)), "
                    + "want \(repository.registry.root.origin)",
                advice: "tell the registry its external address, or a proxy in front of it to pass on host and scheme")
        }
        return location
    }

    /// Tells the registry that nothing more comes. It clears up by itself if it does not hear it.
    private func cancel(_ session: WebAddress) async {
        guard !Task.isCancelled else { return }
        var request = Request(.write, .DELETE, session, access: repository.push, what: "the end of an upload")
        request.takesFaults = true
        do {
            _ = try await registry.exchange(request) { exchange, _, _ in
                try await exchange.collect(upTo: Request.errorLimit)
            }
        } catch {
            registry.logger.debug("\(repository.name): an unfinished upload was not cancelled: \(error)")
        }
    }

    // MARK: One request

    private func sendWhole(to session: WebAddress) async throws {
        var request = Request(
            .write, .PUT, session.adding("digest", blob.digest.description), access: repository.push, what: what)
        request.headLimit = registry.options.commitTimeout
        let answer = try await stream(request, length: blob.size) { send in
            try await content.forEachChunk(send)
        }
        try check(answer)
    }

    /// Answered before the body was finished, which ends the sending without being an error of the content.
    private struct AnsweredEarly: Error {}

    /// Sends a request with a body that cannot be sent twice.
    private func stream(
        _ request: Request, length: Int64, _ produce: ((ByteBuffer) async throws -> Void) async throws -> Void
    ) async throws -> Answer {
        let authorization = try await registry.authenticator.authorization(for: repository.push)
        var call = Transport.Call(request, at: request.address)
        call.headers.replaceOrAdd(name: "Content-Type", value: MediaType.octetStream.rawValue)
        if let authorization { call.headers.replaceOrAdd(name: "Authorization", value: authorization) }
        call.body = .stream(length)
        var sent = 0
        let answer = try await registry.transport.exchange(call) { exchange -> Answer in
            var isEarly = false
            do {
                try await produce { chunk in
                    guard !isEarly, try await exchange.send(chunk) else {
                        isEarly = true
                        throw AnsweredEarly()
                    }
                    sent += chunk.readableBytes
                }
                exchange.finish()
            } catch {
                // Whatever the content makes of it on the way.
                guard isEarly else { throw error }
            }
            let head = try await exchange.head()
            let body =
                isEarly
                ? try await exchange.collectEarly(upTo: Request.errorLimit)
                : try await exchange.collect(upTo: Request.errorLimit)
            return Answer(
                status: Int(head.status.code), headers: head.headers, body: body, address: request.address)
        }
        if answer.status == 401 {
            await registry.authenticator.discard(authorization, for: repository.push)
            // A registry that looks at the token late would refuse the whole again (R18): of several requests, the one in
            // hand is lost.
            let digest = blob.digest
            if sent > BlobUpload.smallChunk { registry.withMemory { _ = $0.refusedWithin.insert(digest) } }
            throw RegistryError.transient("\(repository.name) no longer takes the token (401) for \(what)", status: 401)
        }
        return answer
    }

    private func check(_ answer: Answer) throws {
        if answer.status == 413, registry.withMemory({ $0.largestUpload }) == nil {
            registry.withMemory { $0.largestUpload = BlobUpload.smallChunk }
            throw RegistryError.transient("\(repository.name) refuses \(what) in one request (413)", status: 413)
        }
        guard answer.status == 201 || answer.status == 204 else {
            // The session is gone, or the registry took it for finished elsewhere: a new one helps.
            if [404, 416].contains(answer.status), !answer.errorCodes.contains("NAME_UNKNOWN") {
                throw RegistryError.transient(
                    "\(repository.name) has lost the upload of \(what) (\(answer.status))", status: answer.status)
            }
            throw repository.refusal(answer, of: what, otherwise: .conflict)
        }
        if let said = answer.digest, said.algorithm == blob.digest.algorithm, said != blob.digest {
            throw RegistryError(
                .damaged, "\(repository.name) stored \(what) as something else: got \(said), want \(blob.digest)")
        }
    }

    // MARK: Several requests

    /// Bytes a request for a registry that refuses longer ones, or cuts them short.
    static let smallChunk = 8 << 20

    private func sendInChunks(of size: Int, to session: WebAddress) async throws {
        let upload = ChunkedUpload(repository: repository, session: session, what: what)
        var held = ByteBuffer()
        try await content.forEachChunk { chunk in
            var chunk = chunk
            while let part = chunk.readSlice(length: min(chunk.readableBytes, size - held.readableBytes)),
                part.readableBytes > 0
            {
                held.writeImmutableBuffer(part)
                guard held.readableBytes == size else { continue }
                try await upload.append(held)
                held.clear()
            }
        }
        if held.readableBytes > 0 { try await upload.append(held) }
        let address = await upload.session.adding("digest", blob.digest.description)
        var request = Request(.write, .PUT, address, access: repository.push, what: what)
        request.headLimit = registry.options.commitTimeout
        try check(try await registry.answer(request))
    }
}
