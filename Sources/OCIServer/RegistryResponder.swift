import HTTPTypes
import Hummingbird
import Logging
import NIOCore
import OCI

/// Answers each request, whatever happens, in the words of the specification.
struct RegistryResponder: HTTPResponder {
    let service: RegistryService

    struct Context: InitializableFromSource {
        let channel: any Channel

        init(source: ApplicationRequestContextSource) {
            channel = source.channel
        }
    }

    func respond(to request: Request, context: Context) async throws -> Response {
        var response: Response
        do {
            response = try await service.answer(request, on: context.channel)
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
}
