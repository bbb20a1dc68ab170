import Glibc
import HTTPTypes
import Hummingbird
import HummingbirdCore
import Logging
import NIOCore
import OCI
import ServiceLifecycle

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
        let application = Application(
            responder: Responder(answer: answer),
            server: .http1(configuration: .init(idleTimeout: TimeAmount(StatusServer.patience))),
            configuration: ApplicationConfiguration(
                address: .hostname(host, port: port),
                availableConnectionsDelegate: MaximumAvailableConnections(StatusServer.connectionLimit)),
            onServerRunning: { channel in ready(channel.localAddress?.port ?? port) }, logger: quiet)
        var configuration = ServiceGroupConfiguration(services: [application], logger: quiet)
        configuration.maximumGracefulShutdownDuration = RegistryServer.stopPatience
        let group = ServiceGroup(configuration: configuration)
        // Of its own, so that cancellation becomes a graceful stop and not a break.
        let running = Task { try await group.run() }
        do {
            try await withTaskCancellationHandler {
                try await running.value
            } onCancel: {
                Task { await group.triggerGracefulShutdown() }
            }
        } catch let error as IOError {
            throw cannotListen(String(cString: strerror(error.errnoCode)))
        } catch is SocketAddressError.UnknownHost {
            throw cannotListen("the name is not resolved")
        }
    }

    private func cannotListen(_ reason: String) -> ServerError {
        let place = host.contains(":") ? "[\(shown(host))]" : shown(host)
        return ServerError(
            .local, "cannot listen on \(place):\(port): \(reason)", advice: "choose another address with --listen")
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
