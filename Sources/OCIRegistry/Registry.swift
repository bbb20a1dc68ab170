import Logging
import NIOCore
import NIOHTTP1
import OCI
import Synchronization

/// A registry: an image store behind HTTPS (OCI distribution specification 1.1).
///
/// Must be shut down when it is no longer used.
public final class Registry: Sendable {
    /// Host and port as users write it; `docker.io` for Docker Hub.
    public let name: String
    public let options: RegistryOptions
    let surroundings: Surroundings
    let logger: Logger
    let root: WebAddress
    let listing: TagListing
    let transport: Transport
    let authenticator: Authenticator
    let secrets: Secrets
    private let memory = Mutex(Memory())
    let turns = Turns()
    /// The time since the registry was opened.
    let uptime: @Sendable () -> Duration
    private let receivedBytes = Atomic<Int64>(0)

    /// What has been learned about the registry in this run.
    struct Memory {
        /// Nil as long as nobody has asked.
        var hasReferrersAPI: Bool?
        /// The tags that list referrers, of repositories whose tags have all been listed.
        var referrersTags: [RepositoryName: Set<Tag>] = [:]
        /// Manifests whose size is only what a header of HEAD said (R4).
        var statedSizes: Set<Digest> = []
        /// Uploads that a refused mount has begun (R30).
        var begun: [BlobPlace: WebAddress] = [:]
        var hasRefusedMount = false
        /// Bytes that are sent in one request, once a registry has refused more.
        var largestUpload: Int?
        /// Blobs that were refused for the token's sake when part of them was sent.
        var refusedWithin: Set<Digest> = []
        /// What tags point to, of repositories whose listing says so.
        var listings: [RepositoryName: [Tag: ListedTag]] = [:]
        /// Whether the registry refuses the listing of its own kind.
        var lacksOwnListing = false
        /// What the registry said last; nil where it counts no pulls.
        var budget: PullBudget?
        var warnings: Set<String> = []
        /// Whether parts of blobs can be asked for, as far as it is known.
        var sendsParts = true
        /// Blobs that have been read in parts.
        var divided: Set<Digest> = []
    }

    struct BlobPlace: Hashable {
        let repository: RepositoryName
        let digest: Digest
    }

    /// - Parameter host: `host[:port]`, as in an image reference.
    /// - Throws: `RegistryError` for something that is no host, or certificates that cannot be read.
    public init(host: String, options: RegistryOptions, surroundings: Surroundings, logger: Logger)
        throws(RegistryError)
    {
        name = Reference.canonical(registry: host)
        let authority = name == "docker.io" ? "registry-1.docker.io" : host
        guard let plain = WebAddress(scheme: .http, authority: authority, target: "/v2/"),
            let secure = WebAddress(scheme: .https, authority: authority, target: "/v2/")
        else {
            throw RegistryError(.usage, "'\(shown(host, limit: 200))' is not a host", advice: "host or host:port")
        }
        // What is said of certificates would mean nothing without TLS.
        let isPlain = plain.network == .loopback && !Certificates.areMeant(options.tls, for: plain)
        root = options.plainHTTP ?? isPlain ? plain : secure
        self.options = options
        listing = options.listing ?? TagListing(host: root.host)
        self.surroundings = surroundings
        self.logger = logger
        uptime = Registry.stopwatch(surroundings.clock)
        let transport = try Transport(
            root, options: options, budget: Registry.budget(name, options, logger), surroundings: surroundings,
            uptime: uptime)
        self.transport = transport
        let send: @Sendable (Request) async throws -> Answer = { [name] request in
            try await RequestLoop(name: name, options: options, surroundings: surroundings).run(request) {
                try await Registry.answer(request, over: transport)
            }
        }
        let secrets = Secrets()
        self.secrets = secrets
        var azure: AzureLogin?
        if case .azure(let variables) = options.credentials {
            azure = AzureLogin(
                name: name, registry: root, identity: { try AzureIdentity(environment: variables) },
                now: surroundings.now, send: send)
        }
        authenticator = Authenticator(
            name: name, registry: root, options: options, now: surroundings.now,
            tokens: TokenService(name: name, secrets: secrets, now: surroundings.now, send: send), azure: azure,
            secrets: secrets)
    }

    /// Closes all connections. Nothing can be asked afterwards.
    public func shutdown() async throws {
        transport.budget?.leave()
        try await transport.endpoint.shutdown()
    }

    /// What is shared with the other processes of this machine; nil where that is not wanted, or not possible.
    private static func budget(_ name: String, _ options: RegistryOptions, _ logger: Logger) -> SharedBudget? {
        guard let folder = options.budgetFolder else { return nil }
        do throws(RegistryError) {
            return try SharedBudget(
                folder: folder, registry: name, identity: options.identity ?? options.credentials.identity(at: name))
        } catch {
            logger.debug("limits of \(name) are not shared: \(error.description)")
            return nil
        }
    }

    /// How many requests have been sent so far, tries that failed included.
    public func requestCounts() -> [RequestKind: Int] { transport.requestCounts() }

    /// How many pulls the registry still allows; nil where it does not say.
    public func pullBudget() -> PullBudget? { withMemory { $0.budget } }

    /// The IP address that stands for the registry in this run; nil before the first request, and between two.
    ///
    /// What one address is known to hold says nothing about the next one.
    public func address() async -> String? { await transport.endpoint.address }

    /// Bytes of blobs that have come so far, over all connections.
    var received: Int64 { receivedBytes.load(ordering: .relaxed) }

    func noteReceived(_ bytes: Int) { receivedBytes.add(Int64(bytes), ordering: .relaxed) }

    private static func stopwatch<C: Clock<Duration>>(_ clock: C) -> @Sendable () -> Duration {
        let start = clock.now
        return { start.duration(to: clock.now) }
    }

    /// Reads or changes what is remembered.
    func withMemory<R: Sendable>(_ body: @Sendable (inout Memory) -> R) -> R { memory.withLock { body(&$0) } }

    public func repository(_ repository: RepositoryName) -> RemoteRepository {
        RemoteRepository(registry: self, repository: repository)
    }
}
