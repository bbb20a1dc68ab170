import HTTPTypes
import Hummingbird
import Logging
import NIOCore
import OCI

/// A small server that answers GETs with texts: `/healthz` and `/metrics`.
public struct StatusServer: Sendable {
    /// Connections at a time; more wait until one ends.
    public static let connectionLimit = 32
    /// The longest time in which a connection may neither send nor take a byte.
    public static let patience = Duration.seconds(10)

    private let host: String
    private let port: Int
    private let answer: @Sendable (String) async -> String?

    /// - Parameters:
    ///   - port: 0 for one that is free.
    ///   - answer: the text for a path; nil where there is nothing.
    public init(host: String, port: Int, answer: @escaping @Sendable (_ path: String) async -> String?) {
        self.host = host
        self.port = port
        self.answer = answer
    }

    /// Serves until the task is cancelled.
    ///
    /// - Parameter ready: called once with the port, when connections are accepted.
    /// - Throws: `ServerError` `.local` if it cannot listen.
    public func run(ready: @escaping @Sendable (Int) -> Void) async throws {
        let quiet = Logger(label: "status") { _ in SwiftLogNoOpLogHandler() }
        try await Listening(host: host, port: port, connectionLimit: StatusServer.connectionLimit).serve(
            Responder(answer: answer),
            over: .http1(configuration: .init(idleTimeout: TimeAmount(StatusServer.patience))), logger: quiet,
            ready: ready)
    }
}

private struct Responder: HTTPResponder {
    let answer: @Sendable (String) async -> String?

    struct Context: InitializableFromSource {
        init(source: ApplicationRequestContextSource) {}
    }

    func respond(to request: Request, context: Context) async throws -> Response {
        var response: Response
        if request.method != .get && request.method != .head {
            response = text("GET only\n", .methodNotAllowed)
            response.headers[.allow] = "GET, HEAD"
        } else if let answer = await answer(request.uri.path) {
            response = text(answer, .ok)
        } else {
            response = text("not found\n", .notFound)
        }
        response.headers[.cacheControl] = "no-store"
        return request.method == .head ? response.createHeadResponse() : response
    }

    private func text(_ text: String, _ status: HTTPResponse.Status) -> Response {
        Response(
            status: status, headers: [.contentType: "text/plain; version=0.0.4; charset=utf-8"],
            body: ResponseBody(byteBuffer: ByteBuffer(string: text)))
    }
}
