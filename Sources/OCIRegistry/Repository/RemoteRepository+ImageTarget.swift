import NIOCore
import NIOHTTP1
import OCI

extension RemoteRepository: ImageTarget {
    public func find(_ reference: TagOrDigest) async throws -> Descriptor? {
        let (status, descriptor) = try await head(reference, push)
        if descriptor != nil || status == 404 { return descriptor }
        return try await get(reference, push)?.descriptor
    }

    public func contains(_ blob: Descriptor) async throws -> Bool {
        let what = "blob \(blob.digest)"
        let request = Request(.head, .HEAD, address("blobs/\(blob.digest)"), access: push, what: what)
        let answer = try await registry.answer(request)
        switch answer.status {
        case 200:
            let size = answer.headers.first(name: "Content-Length").flatMap { Int64($0) }
            return size == nil || size == blob.size
        // A registry that cannot say is sent the blob: the same content twice is no error.
        case 404, 405: return false
        default: throw refusal(answer, of: what)
        }
    }

    public func write(_ content: Content) async throws {
        try await BlobUpload(repository: self, content: content).run()
    }

    public func push(_ manifest: Manifest, tags: [Tag]) async throws {
        let digest = manifest.descriptor.digest
        var left = tags
        // Under a tag a registry computes the digest by itself, and that is a sha256 one.
        if tags.isEmpty || digest.algorithm != .sha256 {
            let taken = try await push(manifest, as: .digest(digest), tags: tags)
            left.removeAll { taken.contains($0.description) }
        }
        for tag in left { try await push(manifest, as: .tag(tag)) }
    }

    /// - Parameter tags: what the manifest is to be called besides, where a registry takes that beside a digest
    ///   (distribution specification 1.2, end-7b).
    /// - Returns: those of them that it has taken.
    @discardableResult
    private func push(_ manifest: Manifest, as reference: TagOrDigest, tags: [Tag] = []) async throws -> Set<String> {
        let what = RemoteRepository.what(reference)
        let address = tags.reduce(address(of: reference)) { $0.adding("tag", $1.description) }
        var request = Request(.write, .PUT, address, access: push, what: what)
        request.headers.add(name: "Content-Type", value: manifest.descriptor.mediaType.rawValue)
        request.headLimit = registry.options.commitTimeout
        request.body = manifest.bytes
        let answer = try await registry.answer(request)
        guard answer.status == 201 || answer.status == 200 || answer.status == 202 else {
            throw refusal(answer, of: manifest, as: reference)
        }
        if manifest.subject != nil, answer.headers.contains(name: "OCI-Subject") {
            registry.withMemory { $0.hasReferrersAPI = true }
        }
        let taken = answer.headers[canonicalForm: "OCI-Tag"].map { String($0) }
        if let said = answer.digest, said == Digest(of: manifest.bytes, algorithm: said.algorithm) { return Set(taken) }
        try await readBack(manifest, reference)
        return Set(taken)
    }

    /// A registry that does not confirm the digest may have stored something else (R32).
    private func readBack(_ manifest: Manifest, _ reference: TagOrDigest) async throws {
        let stored = try await get(reference, push)
        guard stored?.bytes != manifest.bytes else { return }
        let digest = manifest.descriptor.digest
        throw RegistryError(
            .damaged,
            "\(name) stored manifest \(digest) as something else: got "
                + (stored.map { "\($0.descriptor.digest)" } ?? "nothing") + ", want \(digest)",
            advice: "the registry changes manifests; nothing that depends on digests will work there")
    }

    /// The error for a registry that takes no layer which is to be had elsewhere only; nil if something else is missing.
    private func foreignRefusal(_ answer: Answer, of manifest: Manifest) -> RegistryError? {
        let said = [answer.said, answer.errorDetails].compactMap { $0 }.joined(separator: ": ")
        guard let layer = manifest.children.first(where: { $0.isForeign && said.contains("\($0.digest)") }),
            !manifest.children.contains(where: { !$0.isForeign && said.contains("\($0.digest)") })
        else { return nil }
        return RegistryError(
            .conflict,
            "\(name) refuses manifest \(manifest.descriptor.digest.short): its layer \(layer.digest.short) is foreign "
                + "(its bytes are at a URL of their own)",
            advice: "let the registry take foreign layers; docker-registry has validation.manifests.urls.allow for it",
            status: answer.status)
    }

    private func refusal(_ answer: Answer, of manifest: Manifest, as reference: TagOrDigest) -> any Failure {
        let what = RemoteRepository.what(reference)
        let codes = answer.errorCodes
        if !codes.isDisjoint(with: ["MANIFEST_BLOB_UNKNOWN", "BLOB_UNKNOWN", "MANIFEST_UNKNOWN"]) {
            if let refusal = foreignRefusal(answer, of: manifest) { return refusal }
            let detail = [answer.said, answer.errorDetails].compactMap { $0 }.filter { !$0.isEmpty }
                .joined(separator: ": ")
            return MissingChildren(
                manifest: manifest.descriptor.digest, target: name, detail: shown(detail),
                children: Set(manifest.children.map(\.digest).filter { detail.contains("\($0)") }))
        }
        let said = answer.said.map { ": \($0)" } ?? ""
        let text = said.lowercased()
        let isLocked = ["immutable", "locked", "overwrite", "already exists"].contains { text.contains($0) }
        if isLocked || [405, 409, 412].contains(answer.status) {
            return RegistryError(
                .conflict, "\(name) refuses to change \(what) (\(answer.status)\(said))",
                advice: "the registry keeps tags as they are; choose another tag or lift its rule",
                status: answer.status)
        }
        switch answer.status {
        case 403:
            return RegistryError(
                .conflict, "\(name) refuses \(what) (403\(said))",
                advice: "a user who may push there, or another tag", status: 403)
        case 404:
            return RegistryError(
                .conflict, "\(registry.name) has no repository \(repository) and does not create it (404\(said))",
                advice: "create the repository in the registry first", status: 404)
        default: return refusal(answer, of: what, otherwise: .conflict)
        }
    }
}
