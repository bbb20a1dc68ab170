import AsyncHTTPClient
import Glibc
import NIOCore
import NIOPosix
import NIOSSL
import OCI

/// The one address of a registry that a run talks to.
///
/// A name can stand for several replicas that do not agree at once; a push scattered over two of them fails (N7). So
/// the name is looked up once, the first address that takes a connection is kept, and given up only when it no
/// longer takes any.
actor Endpoint {
    /// How long one address has before the next one is tried at the same time (RFC 8305, section 8).
    static let headStart = Duration.milliseconds(250)

    struct Connection: Sendable {
        let client: HTTPClient
        /// The IP address; nil where the host is looked up by others, such as a proxy.
        let address: String?
    }

    private let registry: WebAddress
    private let options: RegistryOptions
    private let group: any EventLoopGroup
    private let tls: TLSConfiguration
    private var current: Connection?
    private var connecting: Task<Connection, any Error>?
    private var clients: [HTTPClient] = []
    private var unreachable: Set<String> = []
    private var isShutDown = false

    init(_ registry: WebAddress, options: RegistryOptions, group: any EventLoopGroup) throws(RegistryError) {
        self.registry = registry
        self.options = options
        self.group = group
        tls = try Endpoint.tls(options.tls)
    }

    /// The client to use, for the registry and for hosts that it redirects to.
    func connection() async throws -> Connection {
        if let current { return current }
        guard !isShutDown else { throw RegistryError(.internal, "\(registry.authority) is used after its end") }
        if let connecting { return try await connecting.value }
        // Not a child task: all requests of the run wait for it.
        let task = Task { try await connect() }
        connecting = task
        defer { connecting = nil }
        return try await task.value
    }

    /// The address that is used now, if one is.
    var address: String? { current?.address }

    /// Takes the next address from now on, if there is one.
    func giveUp(_ address: String?) {
        guard let address, current?.address == address else { return }
        unreachable.insert(address)
        current = nil
    }

    func shutdown() async throws {
        isShutDown = true
        _ = await connecting?.result
        current = nil
        let all = clients
        clients = []
        for client in all { try await client.shutdown() }
    }

    private func connect() async throws -> Connection {
        let address = try await pick()
        let client = client(for: address)
        clients.append(client)
        let connection = Connection(client: client, address: address)
        current = connection
        return connection
    }

    private func pick() async throws -> String {
        if HostAddress(registry.host) != nil { return registry.host }
        let all = try await Resolver.addresses(of: registry.host)
        var left = all.filter { !unreachable.contains($0) }
        if left.isEmpty {
            unreachable = []
            left = all
        }
        guard left.count > 1 else { return left[0] }
        do {
            return try await Resolver.firstReachable(
                left, port: registry.port, group: group, headStart: Endpoint.headStart,
                timeout: options.connectTimeout)
        } catch is CancellationError {
            throw CancellationError()
        } catch {
            throw RegistryError.transient(
                "\(registry.authority) cannot be reached at any of its \(left.count) addresses")
        }
    }

    private func client(for address: String) -> HTTPClient {
        var configuration = HTTPClient.Configuration(
            tlsConfiguration: tls, redirectConfiguration: .disallow,
            timeout: .init(connect: .nanoseconds(options.connectTimeout.nanoseconds)))
        configuration.httpVersion = .http1Only
        configuration.decompression = .disabled
        if let text = getenv("LB_RECV"), let size = Int(String(cString: text)) {
            configuration.http1_1ConnectionDebugInitializer = { channel in
                channel.setOption(.recvAllocator, value: AdaptiveRecvByteBufferAllocator(minimum: 64, initial: 2048, maximum: size << 10))
            }
        }
        // The limit is ours (RequestLimiter): in the pool a request would wait no longer than for a connection.
        configuration.connectionPool.concurrentHTTP1ConnectionsPerHostSoftLimit = 1024
        configuration.connectionPool.retryConnectionEstablishment = false
        if address != registry.host { configuration.dnsOverride = [registry.host: address] }
        return HTTPClient(eventLoopGroupProvider: .shared(group), configuration: configuration)
    }

    private static func tls(_ options: RegistryOptions.TLS) throws(RegistryError) -> TLSConfiguration {
        var tls = TLSConfiguration.makeClientConfiguration()
        tls.minimumTLSVersion = .tlsv12
        if !options.verify { tls.certificateVerification = .none }
        guard let path = options.caFile else { return tls }
        do {
            tls.additionalTrustRoots = [.certificates(try NIOSSLCertificate.fromPEMFile(path))]
        } catch {
            throw RegistryError(
                .local, "the certificates in \(shown(path)) cannot be read: \(shown("\(error)", limit: 200))",
                advice: "a file of PEM certificates")
        }
        return tls
    }
}

extension Duration {
    var nanoseconds: Int64 { components.seconds * 1_000_000_000 + components.attoseconds / 1_000_000_000 }
}
