import HTTPTypes
import Hummingbird
import Logging
import NIOCore
import OCI

extension RegistryService {
    /// Starts an upload, takes over a blob from another repository, or takes a whole blob at once.
    func beginUpload(_ name: RepositoryName, _ query: RegistryQuery, _ request: Request) async throws -> Response {
        let target = try await uploading(name, query)
        if let blob = try query.digest("mount"), try await mount(blob, query, into: target) {
            return created(name, blob)
        }
        let digest = try query.digest("digest")
        let id = try await asking(.blobUploadUnknown) { try await target.beginUpload() }
        guard let digest else { return progress(name, id, size: 0, status: .accepted) }
        do {
            _ = try await append(request, to: id, of: target)
        } catch {
            try await target.cancelUpload(id)
            throw error
        }
        return try await commit(name, id, digest, target)
    }

    func uploadStatus(_ name: RepositoryName, _ id: String, _ query: RegistryQuery) async throws -> Response {
        let size = try await size(of: id, in: try await uploading(name, query))
        return progress(name, id, size: size, status: .noContent)
    }

    func appendToUpload(
        _ name: RepositoryName, _ id: String, _ query: RegistryQuery, _ request: Request
    ) async throws -> Response {
        let target = try await uploading(name, query)
        try await requireOrder(name, id, request, target)
        let size = try await append(request, to: id, of: target)
        return progress(name, id, size: size, status: .accepted)
    }

    func finishUpload(_ name: RepositoryName, _ id: String, _ query: RegistryQuery, _ request: Request) async throws
        -> Response
    {
        let target = try await uploading(name, query)
        guard let digest = try query.digest("digest") else {
            throw RegistryError(.badRequest, .digestInvalid, "an upload ends with ?digest=")
        }
        try await requireOrder(name, id, request, target)
        _ = try await append(request, to: id, of: target)
        return try await commit(name, id, digest, target)
    }

    func cancelUpload(_ name: RepositoryName, _ id: String, _ query: RegistryQuery) async throws -> Response {
        let target = try await uploading(name, query)
        _ = try await size(of: id, in: target)
        try await asking(.blobUploadUnknown) { try await target.cancelUpload(id) }
        return Response(status: .noContent)
    }
}

extension RegistryService {
    private func uploading(_ name: RepositoryName, _ query: RegistryQuery) async throws -> any UploadTarget {
        guard let target = try await writable(name, query) as? any UploadTarget else {
            throw RegistryError.notAllowed("this registry takes no uploads", allow: "GET, HEAD")
        }
        return target
    }

    private func mount(
        _ digest: Digest, _ query: RegistryQuery, into target: any ImageTarget
    ) async throws -> Bool {
        guard let from = query["from"], let mounting = target as? any BlobMounting else { return false }
        let other: RepositoryName
        do throws(OCIError) {
            other = try RepositoryName(from)
        } catch {
            throw RegistryError(.badRequest, .nameInvalid, error.description)
        }
        return try await asking(.blobUnknown) {
            let source = try await source(other, query) as? any RandomAccessSource
            guard let blob = try await source?.blob(digest) else { return false }
            return try await mounting.mount(blob, from: other)
        }
    }

    private func size(of id: String, in target: any UploadTarget) async throws -> Int64 {
        guard let size = try await asking(.blobUploadUnknown, { try await target.uploadSize(id) }) else {
            throw RegistryError(.notFound, .blobUploadUnknown, "there is no such upload")
        }
        return size
    }

    /// A chunk that says where it belongs must belong at the end.
    private func requireOrder(_ name: RepositoryName, _ id: String, _ request: Request, _ target: any UploadTarget)
        async throws
    {
        let size = try await size(of: id, in: target)
        guard let header = request.headers[.contentRange] else { return }
        guard let range = ChunkRange(header), range.first == size else {
            // Of an answer without a body; this one has one.
            var headers = progress(name, id, size: size, status: .accepted).headers
            headers[.contentLength] = nil
            throw RegistryError(
                .rangeNotSatisfiable, .blobUploadInvalid, "the upload has \(size) bytes: the next chunk begins there",
                headers: headers)
        }
        if let length = request.headers[.contentLength].flatMap({ Int64($0) }), length != range.last - range.first + 1 {
            throw RegistryError(.badRequest, .sizeInvalid, "Content-Range and Content-Length differ")
        }
    }

    private func append(_ request: Request, to id: String, of target: any UploadTarget) async throws -> Int64 {
        let body = request.body
        return try await asking(.blobUploadUnknown) {
            try await target.append(to: id) { send in
                for try await chunk in body { try await send(chunk) }
            }
        }
    }

    private func commit(_ name: RepositoryName, _ id: String, _ digest: Digest, _ target: any UploadTarget) async throws
        -> Response
    {
        do {
            _ = try await target.commitUpload(id, as: digest)
        } catch let error as any Failure where error.kind == .damaged {
            throw RegistryError(.badRequest, .digestInvalid, "the bytes that came do not have digest \(digest)")
        } catch let error as any Failure {
            logger.warning("\(error.description)")
            faults.note(error, about: digest)
            throw RegistryError(error, notFound: .blobUploadUnknown)
        }
        return created(name, digest)
    }

    private func created(_ name: RepositoryName, _ digest: Digest) -> Response {
        Response(
            status: .created,
            headers: [.location: "/v2/\(name)/blobs/\(digest)", .contentDigest: digest.description])
    }

    private func progress(_ name: RepositoryName, _ id: String, size: Int64, status: HTTPResponse.Status) -> Response {
        Response(
            status: status,
            headers: [
                .location: "/v2/\(name)/blobs/uploads/\(id)", .range: "0-\(max(size, 1) - 1)", .uploadID: id,
            ])
    }
}
