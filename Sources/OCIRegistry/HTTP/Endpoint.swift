import AsyncHTTPClient
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
    private let certificates: Certificates
    private var current: Connection?
    private var connecting: Task<Connection, any Error>?
    private var clients: [ClientKey: HTTPClient] = [:]
    private var unreachable: Set<String> = []
    private var isShutDown = false

    /// What a client of the HTTP library can be set to only as a whole.
    private struct ClientKey: Hashable {
        /// The IP address that stands for the registry.
        var address: String?
        var proxy: ProxySettings.Proxy?
        /// Whether it has the certificate that is shown to the registry.
        var isKnown: Bool
    }

    init(_ registry: WebAddress, options: RegistryOptions, group: any EventLoopGroup) throws(RegistryError) {
        self.registry = registry
        self.options = options
        self.group = group
        certificates = try Certificates(options.tls, for: registry)
    }

    /// The client to use, for the registry or for a host that it redirects to.
    func connection(to address: WebAddress) async throws -> Connection {
        let isOurs = address.hasSameOrigin(as: registry)
        guard !isShutDown else { throw RegistryError(.internal, "\(registry.authority) is used after its end") }
        if let proxy = options.proxies.proxy(for: address) {
            // Names are looked up by the proxy.
            return Connection(client: try client(ClientKey(proxy: proxy, isKnown: isOurs)), address: nil)
        }
        if !isOurs, certificates.key != nil || options.proxies.proxy(for: registry) != nil {
            return Connection(client: try client(ClientKey(isKnown: false)), address: nil)
        }
        if let current { return current }
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
        let all = clients.values
        clients = [:]
        for client in all { try await client.shutdown() }
    }

    private func connect() async throws -> Connection {
        let address = try await pick()
        let client = try client(ClientKey(address: address, isKnown: true))
        let connection = Connection(client: client, address: address)
        current = connection
        return connection
    }

    private func pick() async throws -> String {
        if HostAddress(registry.host) != nil { return registry.host }
        let all =
            if let lookUp = options.lookUp { try await lookUp(registry.host) } else {
                try await Resolver.addresses(of: registry.host)
            }
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

    private func client(_ key: ClientKey) throws(RegistryError) -> HTTPClient {
        guard !isShutDown else { throw RegistryError(.internal, "\(registry.authority) is used after its end") }
        if let known = clients[key] { return known }
        var configuration = HTTPClient.Configuration(
            tlsConfiguration: tls(isKnown: key.isKnown), redirectConfiguration: .disallow,
            timeout: .init(connect: .nanoseconds(options.connectTimeout.nanoseconds)))
        configuration.httpVersion = .http1Only
        configuration.decompression = .disabled
        // The limit is ours (RequestLimiter): in the pool a request would wait no longer than for a connection.
        configuration.connectionPool.concurrentHTTP1ConnectionsPerHostSoftLimit = 1024
        configuration.connectionPool.retryConnectionEstablishment = false
        if let address = key.address, address != registry.host { configuration.dnsOverride = [registry.host: address] }
        if let proxy = key.proxy {
            switch proxy.login {
            case .password(let username, let password)?:
                configuration.proxy = .server(
                    host: proxy.host, port: proxy.port, authorization: .basic(username: username, password: password))
            default: configuration.proxy = .server(host: proxy.host, port: proxy.port)
            }
        }
        let client = HTTPClient(eventLoopGroupProvider: .shared(group), configuration: configuration)
        clients[key] = client
        return client
    }

    private func tls(isKnown: Bool) -> TLSConfiguration {
        var tls = TLSConfiguration.makeClientConfiguration()
        tls.minimumTLSVersion = .tlsv12
        if !options.tls.verify { tls.certificateVerification = .none }
        if !certificates.trusted.isEmpty { tls.additionalTrustRoots = [.certificates(certificates.trusted)] }
        if isKnown, let key = certificates.key {
            tls.certificateChain = certificates.shown.map { .certificate($0) }
            tls.privateKey = .privateKey(key)
        }
        return tls
    }
}

extension Duration {
    var nanoseconds: Int64 { components.seconds * 1_000_000_000 + components.attoseconds / 1_000_000_000 }
}
