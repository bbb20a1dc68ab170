import Glibc
import Hummingbird
import HummingbirdCore
import Logging
import NIOCore
import OCI
import ServiceLifecycle

/// An address that a server listens on: what of it is the same whatever the server answers.
struct Listening {
    let host: String
    /// 0 for one that is free.
    let port: Int
    /// Connections at a time; more wait until one ends.
    let connectionLimit: Int

    /// Serves until the task is cancelled; then requests under way have `RegistryServer.stopPatience` to end.
    ///
    /// - Parameter ready: called once with the port, when connections are accepted.
    /// - Throws: `ServerError` `.local` if it cannot listen.
    func serve<Responder: HTTPResponder>(
        _ responder: Responder, over server: HTTPServerBuilder, logger: Logger,
        ready: @escaping @Sendable (Int) -> Void
    ) async throws where Responder.Context: InitializableFromSource<ApplicationRequestContextSource> {
        let application = Application(
            responder: responder, server: server,
            configuration: ApplicationConfiguration(
                address: .hostname(host, port: port),
                availableConnectionsDelegate: MaximumAvailableConnections(connectionLimit)),
            onServerRunning: { [port] channel in ready(channel.localAddress?.port ?? port) }, logger: logger)
        var configuration = ServiceGroupConfiguration(services: [application], logger: logger)
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
            throw refusal(Listening.reason(error.errnoCode))
        } catch is SocketAddressError.UnknownHost {
            throw refusal("the name is not resolved")
        }
    }

    private func refusal(_ reason: String) -> ServerError {
        let place = host.contains(":") ? "[\(shown(host))]" : shown(host)
        return ServerError(
            .local, "cannot listen on \(place):\(port): \(reason)", advice: "choose another address with --listen")
    }

    private static func reason(_ code: CInt) -> String {
        switch code {
        case EADDRINUSE: "another program listens there"
        case EADDRNOTAVAIL: "no interface of this machine has the address"
        case EACCES, EPERM: "this user may not"
        default: String(cString: strerror(code))
        }
    }
}
