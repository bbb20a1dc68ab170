import Hummingbird
import HummingbirdCore
import HummingbirdTLS
import Logging
import NIOCore
import OCI

/// An image store on a port: the OCI distribution API 1.1 over any store that can be read at random.
///
/// No byte is sent that was not checked: a blob is hashed on its way, or as a whole before the first part of it, and again
/// whenever its file has changed since.
public struct RegistryServer: Sendable {
    /// Connections at a time; more wait until one ends.
    public static let connectionLimit = 512
    /// The longest time in which a connection may neither send nor take a byte.
    public static let defaultPatience = Duration.seconds(60)
    /// How long requests under way may go on once the server is to stop.
    public static let stopPatience = Duration.seconds(2)

    private let service: RegistryService
    private let security: ServerSecurity
    private let doorkeeper: Doorkeeper?
    private let describe: @Sendable () async throws -> [String: JSONValue]
    private let host: String
    private let port: Int
    private let patience: Duration
    private let logger: Logger

    /// - Parameters:
    ///   - store: its sources are `RandomAccessSource`; where `writable`, it is a `TargetStore` whose targets are
    ///     `UploadTarget`, and may be `BlobMounting` and `DeletingTarget`.
    ///   - host: the address to listen on.
    ///   - port: 0 for one that is free.
    ///   - security: its certificate, and who may ask.
    ///   - figures: counts what it is asked for.
    ///   - describe: what is served, for those who ask how the server is.
    ///   - onFault: is given a line for each thing that is wrong with the store, such as a damaged blob; not one for
    ///     each client that asks for it.
    /// - Throws: `ServerError` `.usage` if the store cannot be written to and should be; `.local` if passwords cannot
    ///   be checked on this machine.
    public init(
        store: any SourceStore, writable: Bool = false, host: String = "127.0.0.1", port: Int = 0,
        security: ServerSecurity = ServerSecurity(), patience: Duration = RegistryServer.defaultPatience,
        surroundings: Surroundings, logger: Logger? = nil, figures: ServerFigures = ServerFigures(),
        describe: @escaping @Sendable () async throws -> [String: JSONValue] = { [:] },
        onFault: @escaping @Sendable (String) -> Void = { _ in }
    ) throws {
        let target = writable ? store as? any TargetStore : nil
        guard !writable || target != nil else {
            throw ServerError(.usage, "\(shown(store.name)) can only be read", advice: "serve it without --writable")
        }
        let logger = logger ?? Logger(label: "registry") { _ in SwiftLogNoOpLogHandler() }
        service = RegistryService(
            store: store, target: target, watch: WriteWatch(patience: patience, surroundings: surroundings),
            faults: FaultLog(now: surroundings.now, tell: onFault), figures: figures, logger: logger)
        self.security = security
        doorkeeper = try security.passwords.map { try Doorkeeper($0, surroundings: surroundings) }
        self.describe = describe
        self.host = host
        self.port = port
        self.patience = patience
        self.logger = logger
    }

    /// Serves until the task is cancelled; then requests under way have `stopPatience` to end.
    ///
    /// - Parameter ready: called once with the port, when connections are accepted.
    /// - Throws: `ServerError` if it cannot listen.
    public func run(ready: @escaping @Sendable (Int) -> Void) async throws {
        var quiet = logger
        quiet.logLevel = max(logger.logLevel, .error)
        let plain = HTTPServerBuilder.http1(configuration: .init(idleTimeout: TimeAmount(patience)))
        try await Listening(host: host, port: port, connectionLimit: RegistryServer.connectionLimit).serve(
            RegistryResponder(service: service, doorkeeper: doorkeeper, describe: describe),
            over: try security.tls.map { try .tls(plain, tlsConfiguration: $0.configuration) } ?? plain,
            logger: quiet, ready: ready)
    }
}

/// Serves a store on a free port of the loopback interface as long as `body` runs.
///
/// - Parameter body: is given the address, such as `127.0.0.1:40123`.
public func withRegistryServer<R: Sendable>(
    store: any SourceStore, writable: Bool = false, security: ServerSecurity = ServerSecurity(),
    patience: Duration = RegistryServer.defaultPatience, surroundings: Surroundings, logger: Logger? = nil,
    figures: ServerFigures = ServerFigures(), onFault: @escaping @Sendable (String) -> Void = { _ in },
    _ body: @escaping @Sendable (String) async throws -> R
) async throws -> R {
    let server = try RegistryServer(
        store: store, writable: writable, security: security, patience: patience, surroundings: surroundings,
        logger: logger, figures: figures, onFault: onFault)
    let (ports, port) = AsyncStream.makeStream(of: Int.self)
    return try await withThrowingTaskGroup(of: R?.self) { group in
        group.addTask {
            defer { port.finish() }
            try await server.run { port.yield($0) }
            return nil
        }
        group.addTask {
            for await port in ports { return try await body("127.0.0.1:\(port)") }
            return nil
        }
        defer { group.cancelAll() }
        while let result = try await group.next() {
            if let result { return result }
        }
        throw ServerError(.internal, "the server ended before it was asked anything")
    }
}
