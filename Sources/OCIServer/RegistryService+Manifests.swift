import HTTPTypes
import Hummingbird
import Logging
import NIOCore
import OCI

extension RegistryService {
    func manifest(
        _ name: RepositoryName, _ reference: TagOrDigest, _ query: RegistryQuery, _ request: Request
    ) async throws -> Response {
        let manifest = try await asking(.manifestUnknown) {
            let source = try await source(name, query)
            do {
                return try await source.manifest(try await source.resolve(reference))
            } catch let error as any Failure where error.kind == .conflict {
                logger.warning("\(error.description)")
                faults.tellOnce(error.description)
                throw RegistryError.ambiguous(name, reference)
            }
        }
        let descriptor = manifest.descriptor
        let headers = identity(of: descriptor, type: descriptor.mediaType.rawValue)
        if isKnown(descriptor.digest, to: request) { return Response(status: .notModified, headers: headers) }
        if request.method == .get {
            await promised.note(manifest)
            figures.noteManifest(bytes: manifest.bytes.readableBytes)
        }
        return Response(status: .ok, headers: headers, body: ResponseBody(byteBuffer: manifest.bytes))
    }

    /// The most tags of one request.
    static let tagLimit = 100

    func putManifest(
        _ name: RepositoryName, _ reference: TagOrDigest, _ query: RegistryQuery, _ request: Request
    ) async throws -> Response {
        let target = try await writable(name, query)
        let tags = try tags(reference, query)
        let bytes = try await manifestBytes(of: request)
        let manifest = try read(bytes, reference, request)
        try await requireChildren(of: manifest, in: target, name)
        try await asking(.manifestUnknown) { try await target.push(manifest, tags: tags) }
        let digest = manifest.descriptor.digest
        var headers: HTTPFields = [.location: "/v2/\(name)/manifests/\(digest)", .contentDigest: digest.description]
        if let subject = manifest.subject { headers[.subject] = subject.digest.description }
        if case .digest = reference, !tags.isEmpty {
            headers[.tag] = tags.map(\.description).joined(separator: ", ")
        }
        return Response(status: .created, headers: headers)
    }

    /// What a manifest is to be called: the tag of the path, or those beside the digest (distribution specification 1.2,
    /// "Pushing Manifests").
    private func tags(_ reference: TagOrDigest, _ query: RegistryQuery) throws(RegistryError) -> [Tag] {
        if case .tag(let tag) = reference { return [tag] }
        let names = query.all("tag")
        guard names.count <= RegistryService.tagLimit else {
            throw RegistryError(
                .uriTooLong, .manifestInvalid, "a manifest is pushed under at most \(RegistryService.tagLimit) tags")
        }
        do throws(OCIError) {
            var tags: [Tag] = []
            for name in names { tags.append(try Tag(name)) }
            return tags
        } catch {
            throw RegistryError(.badRequest, .manifestInvalid, error.description)
        }
    }

    func deleteManifest(
        _ name: RepositoryName, _ reference: TagOrDigest, _ query: RegistryQuery
    ) async throws -> Response {
        guard let target = try await writable(name, query) as? any DeletingTarget else {
            throw RegistryError.notAllowed("this registry does not delete", allow: "GET, HEAD, PUT")
        }
        let wasThere = try await asking(.manifestUnknown) {
            switch reference {
            case .tag(let tag): try await target.untag(tag)
            case .digest(let digest): try await target.deleteManifest(digest)
            }
        }
        guard wasThere else { throw RegistryError(.notFound, .manifestUnknown, "there is no such manifest") }
        return Response(status: .accepted)
    }

    func writable(_ name: RepositoryName, _ query: RegistryQuery) async throws -> any ImageTarget {
        guard let target else { throw RegistryError.notAllowed("this registry is read-only", allow: "GET, HEAD") }
        return try await asking(.nameUnknown) { try await self.target(name, query, in: target) }
    }

    private func manifestBytes(of request: Request) async throws -> ByteBuffer {
        let limit = Int(Manifest.sizeLimit)
        let tooLarge = RegistryError(
            .contentTooLarge, .manifestInvalid, "a manifest has at most \(limit) bytes", headers: [.connection: "close"]
        )
        if let length = request.headers[.contentLength].flatMap({ Int64($0) }), length > limit { throw tooLarge }
        var bytes = ByteBuffer()
        for try await chunk in request.body {
            guard bytes.readableBytes + chunk.readableBytes <= limit else { throw tooLarge }
            bytes.writeImmutableBuffer(chunk)
        }
        return bytes
    }

    /// The manifest, whose type comes from its content and must agree with the header, and whose digest with the path.
    private func read(_ bytes: ByteBuffer, _ reference: TagOrDigest, _ request: Request) throws(RegistryError)
        -> Manifest
    {
        var algorithm = Digest.Algorithm.sha256
        if case .digest(let digest) = reference { algorithm = digest.algorithm }
        if case .digest(let want) = reference {
            let got = Digest(of: bytes, algorithm: algorithm)
            guard got == want else {
                throw RegistryError(.badRequest, .digestInvalid, "the manifest has digest \(got), want \(want)")
            }
        }
        do throws(OCIError) {
            let type = request.headers[.contentType].map { MediaType(header: $0) }
            return try Manifest(bytes, mediaType: type, algorithm: algorithm, from: "the request")
        } catch {
            throw RegistryError(.badRequest, .manifestInvalid, error.description)
        }
    }

    /// Nothing is visible before all of it is there.
    private func requireChildren(of manifest: Manifest, in target: any ImageTarget, _ name: RepositoryName)
        async throws
    {
        for child in manifest.children where !child.isForeign {
            let isThere = try await asking(.manifestUnknown) {
                if case .index = manifest.kind, child.mediaType.isManifest {
                    return try await target.find(.digest(child.digest)) != nil
                }
                return try await target.contains(child)
            }
            guard isThere else {
                throw RegistryError(
                    .notFound, .manifestBlobUnknown, "\(name) has no \(child.digest) of \(child.size) bytes")
            }
        }
    }

    func identity(of descriptor: Descriptor, type: String) -> HTTPFields {
        [
            .contentType: type, .contentDigest: descriptor.digest.description,
            .contentLength: String(descriptor.size), .eTag: "\"\(descriptor.digest)\"",
        ]
    }

    func isKnown(_ digest: Digest, to request: Request) -> Bool {
        request.headers[.ifNoneMatch]?.contains("\"\(digest)\"") ?? false
    }
}
