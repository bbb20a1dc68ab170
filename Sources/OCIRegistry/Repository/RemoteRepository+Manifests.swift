import NIOCore
import NIOHTTP1
import OCI

/// Manifests read by name or by digest, for source and target alike.
extension RemoteRepository {
    static let accept = MediaType.manifests.map(\.rawValue).joined(separator: ", ")

    /// What HEAD says of a manifest.
    ///
    /// - Returns: the answer's status, and the descriptor if it was 200 and said enough.
    /// - Throws: `.damaged` if the registry names another digest than the one asked for (R9).
    func head(_ reference: TagOrDigest, _ access: Access) async throws -> (status: Int, descriptor: Descriptor?) {
        var request = Request(
            .head, .HEAD, address(of: reference), access: access, what: RemoteRepository.what(reference))
        request.headers.add(name: "Accept", value: RemoteRepository.accept)
        // GET is tried next, and that one is repeated (R11).
        request.takesFaults = true
        let answer = try await registry.answer(request)
        guard answer.status == 200 else { return (answer.status, nil) }
        let digest: Digest
        switch reference {
        case .digest(let wanted):
            if let said = answer.digest, said.algorithm == wanted.algorithm, said != wanted {
                throw RegistryError(.damaged, "\(name) answers manifest \(wanted) with another one: \(said)")
            }
            digest = wanted
        case .tag:
            guard let said = answer.digest else { return (200, nil) }
            digest = said
        }
        guard let mediaType = answer.mediaType, mediaType.isManifest,
            let size = answer.headers.first(name: "Content-Length").flatMap({ Int64($0) }), size > 0
        else { return (200, nil) }
        registry.withMemory { _ = $0.statedSizes.insert(digest) }
        return (200, Descriptor(mediaType: mediaType, digest: digest, size: size))
    }

    /// Reads a manifest; nil if there is none.
    ///
    /// A digest that names the manifest, or that the registry sends with it, is checked against the bytes.
    func get(_ reference: TagOrDigest, _ access: Access) async throws -> Manifest? {
        let what = RemoteRepository.what(reference)
        var request = Request(.manifest, .GET, address(of: reference), access: access, what: what)
        request.headers.add(name: "Accept", value: RemoteRepository.accept)
        request.bodyLimit = Int(Manifest.sizeLimit)
        let answer = try await registry.answer(request)
        guard answer.status != 404 else { return nil }
        guard answer.status == 200, !answer.isHTML else { throw refusal(answer, of: what) }
        let claimed = answer.mediaType.flatMap { $0.isManifest ? $0 : nil }
        guard case .digest(let digest) = reference else {
            let said = answer.digest
            if let said {
                let got = Digest(of: answer.body, algorithm: said.algorithm)
                guard got == said else {
                    throw RegistryError(
                        .damaged,
                        "\(what) arrived damaged from \(name): got \(got) after \(answer.body.readableBytes) bytes, "
                            + "the registry says \(said)")
                }
            }
            do throws(OCIError) {
                return try Manifest(
                    answer.body, mediaType: claimed, algorithm: said?.algorithm ?? .sha256, from: name)
            } catch {
                guard answer.digest == nil, error.kind == .damaged else { throw error }
                // Nobody who answers like this has looked at what he sends (R46).
                throw RegistryError.protocolViolation(
                    "\(name) answers \(what) with something else: \(error.description)",
                    advice: "check that \(registry.name) is a registry")
            }
        }
        let got = Digest(of: answer.body, algorithm: digest.algorithm)
        guard got == digest else {
            throw RegistryError(
                .damaged,
                "manifest \(digest) arrived damaged from \(name): got \(got) after \(answer.body.readableBytes) bytes")
        }
        return try Manifest(answer.body, mediaType: claimed, algorithm: digest.algorithm, from: name)
    }

    /// A part of an image that the registry itself names, so that no other name would help.
    func lost(_ what: String) -> RegistryError {
        RegistryError(
            .notFound, "\(name) has no \(what), though an image there names it",
            advice: "push the image to \(registry.name) again, or leave it out", status: 404)
    }

    func notFound(_ what: String) -> RegistryError {
        RegistryError(
            .notFound, "\(name) has no \(what)", advice: "check the name; lifeboat list \(name) shows what is there",
            status: 404)
    }
}
