import HTTPTypes
import Hummingbird
import Logging
import NIOCore
import OCI

/// Answers each request, whatever happens, in the words of the specification.
struct RegistryResponder: HTTPResponder {
    /// Where the server says how it is.
    static let healthPath = "/healthz"

    let service: RegistryService
    /// None where everybody may ask.
    let doorkeeper: Doorkeeper?
    /// What is served, for `healthPath`.
    let describe: @Sendable () async throws -> [String: JSONValue]

    struct Context: InitializableFromSource {
        let channel: any Channel

        init(source: ApplicationRequestContextSource) {
            channel = source.channel
        }
    }

    func respond(to request: Request, context: Context) async throws -> Response {
        var response: Response
        service.figures.noteRequest()
        do {
            let isHealth = request.uri.path == RegistryResponder.healthPath
            try await admit(request, isHealth: isHealth)
            response =
                isHealth ? try await health(request) : try await service.answer(request, on: context.channel)
        } catch let error as RegistryError {
            response = service.document(error.json, error.headers)
            response.status = error.status
        } catch let error as any Failure {
            service.logger.error("\(error.description)")
            service.faults.note(error, about: nil)
            let error = RegistryError(error, notFound: .unknown)
            response = service.document(error.json, error.headers)
            response.status = error.status
        }
        response.headers[.apiVersion] = "registry/2.0"
        return request.method == .head ? response.createHeadResponse() : response
    }

    /// - Throws: `RegistryError` for who may not ask; a probe of health needs no login, unless it shows one.
    private func admit(_ request: Request, isHealth: Bool) async throws {
        guard let doorkeeper else { return }
        let authorization = request.headers[.authorization]
        if isHealth, authorization == nil { return }
        switch await doorkeeper.admits(authorization) {
        case .admitted: return
        case .refused:
            if authorization != nil { service.figures.noteRefusal() }
            throw RegistryError(
                .unauthorized, .unauthorized, "a login is needed",
                headers: [.wwwAuthenticate: "Basic realm=\"lifeboat\", charset=\"UTF-8\""])
        case .busy:
            throw RegistryError(
                .tooManyRequests, .tooManyRequests, "too many logins at once", headers: [.retryAfter: "1"])
        }
    }

    private func health(_ request: Request) async throws -> Response {
        guard request.method == .get || request.method == .head else {
            throw RegistryError.notAllowed("\(request.method.rawValue) has no meaning here", allow: "GET, HEAD")
        }
        // Names of images are for those who may pull them.
        let isKnown = doorkeeper == nil || request.headers[.authorization] != nil
        var members = service.figures.json(namesMissing: isKnown)
        var status = HTTPResponse.Status.ok
        do {
            members["serving"] = .object(try await describe())
            members["status"] = .string("ok")
        } catch let error as any Failure {
            service.logger.error("\(error.description)")
            service.faults.tellOnce(error.description)
            status = .serviceUnavailable
            members["status"] = .string("unhealthy")
            // Paths of this machine are for those who may pull, as names are.
            members["problem"] = .string(isKnown ? error.description : "what is served cannot be read")
        }
        var response = service.document(.object(members), [.cacheControl: "no-store"])
        response.status = status
        return response
    }
}
