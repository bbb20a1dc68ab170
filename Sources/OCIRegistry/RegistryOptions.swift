import NIOCore
import OCI

/// How to reach a registry.
public struct RegistryOptions: Sendable {
    /// Whether to speak HTTP without TLS. Nil: for loopback hosts only, of which nothing is said in `tls`.
    public var plainHTTP: Bool?
    public var tls = TLS()
    public var credentials = CredentialSource.docker
    /// The way to the registry, and to the hosts that it redirects to.
    public var proxies = ProxySettings()
    /// How the name of the registry becomes IP addresses, at least one; nil for the way of this machine.
    public var lookUp: (@Sendable (_ host: String) async throws -> [String])?
    /// The most requests under way at once.
    public var connections = 16
    /// The most requests in a second, tries that fail included; nil for no limit.
    public var requestsPerSecond: Double?
    /// The most bytes of bodies in a second, both directions together; nil for no limit.
    public var bytesPerSecond: Int64?
    /// Where processes of this machine share what a registry allows them; nil to keep to limits of one's own.
    public var budgetFolder: String?
    /// Who the credentials are of, where their source does not say.
    public var identity: String?
    public var retry = RetryPolicy()
    /// The longest wait for a TCP connection and its TLS handshake.
    public var connectTimeout = Duration.seconds(10)
    /// The longest wait for the head of an answer to a request that reads, once it is sent.
    public var headerTimeout = Duration.seconds(30)
    /// The same for a request that changes something.
    public var writeTimeout = Duration.seconds(60)
    /// The longest wait for the answer to a finished upload: the registry may read all of it once more.
    public var commitTimeout = Duration.seconds(300)
    /// A body that makes less progress than `minimumRate` over this time has stalled. There is no limit on total time.
    public var idleTimeout = Duration.seconds(60)
    /// Bytes a second.
    public var minimumRate = 1024
    /// How tags are listed; nil for what is known of the host.
    public var listing: TagListing?
    public var upload = Upload.whole
    public var ranges = RangePolicy()
    /// Hosts (`host` or `host:port`) whose token service may stand on a private address or another scheme.
    public var trustedRealms: Set<String> = []
    /// Where to run; nil for one event loop shared by all registries, which is the fastest and the smallest.
    public var eventLoopGroup: (any EventLoopGroup)?

    public init() {}

    public struct TLS: Sendable {
        /// PEM certificates that are trusted in addition to those of the system.
        public var caFile: String?
        /// PEM files with a certificate, and those that vouch for it, to show to the registry and to nobody else, and
        /// its key.
        public var certificateFile: String?
        public var keyFile: String?
        /// Folders with a folder of certificates for a registry each, as docker and podman keep them.
        public var folders: [String] = []
        /// Whether the registry must prove who it is. Off: anybody in between can read and write.
        public var verify = true

        public init(caFile: String? = nil, verify: Bool = true) {
            self.caFile = caFile
            self.verify = verify
        }
    }

    /// In how many requests a blob is sent.
    public enum Upload: Sendable, Hashable {
        /// One PUT with a known length.
        case whole
        /// PATCH requests of this many bytes, each of which is held in memory and can be repeated.
        case chunks(of: Int)
    }
}
