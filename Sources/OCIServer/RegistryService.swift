import HTTPTypes
import Hummingbird
import Logging
import NIOCore
import OCI

/// The distribution API over a store, request by request.
struct RegistryService: Sendable {
    let store: any SourceStore
    /// None where the store may only be read.
    let target: (any TargetStore)?
    let verified = VerifiedBlobs()
    let promised = PromisedBlobs()
    let watch: WriteWatch
    let faults: FaultLog
    let figures: ServerFigures
    let logger: Logger

    func answer(_ request: Request, on channel: any Channel) async throws -> Response {
        let route = try RegistryRoute(path: request.uri.path)
        let query = RegistryQuery(request.uri.query)
        do {
            return try await answer(route, query, request, on: channel)
        } catch let error as RegistryError where error.status == .notFound {
            if let name = route.missing(query, request.method) { figures.noteMissing(name) }
            throw error
        }
    }

    private func answer(
        _ route: RegistryRoute, _ query: RegistryQuery, _ request: Request, on channel: any Channel
    ) async throws -> Response {
        let isRead = request.method == .get || request.method == .head
        guard isRead || target != nil else {
            throw RegistryError.notAllowed("this registry is read-only", allow: "GET, HEAD")
        }
        switch (route, request.method) {
        case (.base, .get), (.base, .head): return document(.object([:]))
        case (.catalog, .get), (.catalog, .head): return try await catalog(query)
        case (.tags(let name), .get), (.tags(let name), .head): return try await tags(name, query)
        case (.referrers(let name, let digest), .get), (.referrers(let name, let digest), .head):
            return try await referrers(name, digest, query)
        case (.manifest(let name, let reference), .get), (.manifest(let name, let reference), .head):
            return try await manifest(name, reference, query, request)
        case (.manifest(let name, let reference), .put): return try await putManifest(name, reference, query, request)
        case (.manifest(let name, let reference), .delete): return try await deleteManifest(name, reference, query)
        case (.blob(let name, let digest), .get), (.blob(let name, let digest), .head):
            return try await blob(name, digest, query, request, on: channel)
        case (.blob(let name, let digest), .delete): return try await deleteBlob(name, digest, query)
        case (.uploads(let name), .post): return try await beginUpload(name, query, request)
        case (.upload(let name, let id), .get): return try await uploadStatus(name, id, query)
        case (.upload(let name, let id), .patch): return try await appendToUpload(name, id, query, request)
        case (.upload(let name, let id), .put): return try await finishUpload(name, id, query, request)
        case (.upload(let name, let id), .delete): return try await cancelUpload(name, id, query)
        default:
            throw RegistryError.notAllowed("\(request.method.rawValue) has no meaning here", allow: allowed(route))
        }
    }

    private func allowed(_ route: RegistryRoute) -> String {
        guard target != nil else { return "GET, HEAD" }
        return switch route {
        case .manifest: "GET, HEAD, PUT, DELETE"
        case .blob: "GET, HEAD, DELETE"
        case .uploads: "POST"
        case .upload: "GET, PATCH, PUT, DELETE"
        default: "GET, HEAD"
        }
    }

    /// Runs what asks the store, and turns its errors into answers; the log has the whole story.
    ///
    /// - Parameter digest: of the blob or manifest that is asked for, if that is known.
    func asking<R>(
        _ code: RegistryError.Code, for digest: Digest? = nil, isolation: isolated (any Actor)? = #isolation,
        _ body: () async throws -> R
    ) async throws -> R {
        do {
            return try await body()
        } catch let error as any Failure {
            if error.kind != .notFound { logger.warning("\(error.description)") }
            faults.note(error, about: digest)
            throw RegistryError(error, notFound: code)
        }
    }

    func document(_ value: JSONValue, _ headers: HTTPFields = [:], as type: String = "application/json") -> Response {
        var headers = headers
        headers[.contentType] = type
        return Response(
            status: .ok, headers: headers, body: ResponseBody(byteBuffer: ByteBuffer(string: value.text)))
    }
}
