import OCI

/// The configuration of nodes that lets them pull from a backup's server.
///
/// In the steady state the registry is asked first and the backup for what the registry does not answer; during an
/// outage the backup is asked first. The backup is only ever pulled from.
public struct Mirrors: Sendable, Hashable {
    /// The longest wait for a connection to the registry before the backup is asked, where a node can be told.
    public static let patience = "3s"

    public var node: NodeKind
    /// The backup's server.
    public var server: NodeRegistry
    /// The registries whose images it has; with none, those of any registry, where a node has a word for that.
    public var registries: [NodeRegistry]
    /// The file on the nodes with the certificate of the authority that signed the server's.
    public var authority: String?
    public var duringOutage: Bool

    public init(
        node: NodeKind, server: NodeRegistry, registries: [NodeRegistry] = [], authority: String? = nil,
        duringOutage: Bool = false
    ) {
        self.node = node
        self.server = server
        self.registries = registries
        self.authority = authority
        self.duringOutage = duringOutage
    }

    /// Files of a node and what there is to know about them.
    public struct Rendering: Sendable, Hashable {
        public var files: [NodeFile] = []
        public var notes: [String] = []
    }

    /// - Throws: `LifeboatError` `.usage` for what the node's format has no word for.
    public func render() throws(LifeboatError) -> Rendering {
        switch node {
        case .containerd: try containerd()
        case .k3s: try k3s()
        case .podman: try podman()
        case .dockerd: dockerd()
        }
    }

    /// The first line of each file.
    var heading: String {
        duringOutage
            ? "# During an outage: \(server.name) first. Written by lifeboat mirrors."
            : "# Steady state: the registry first, \(server.name) for what it does not answer. Written by lifeboat mirrors."
    }

    func wantRegistries() throws(LifeboatError) {
        guard registries.isEmpty else { return }
        throw LifeboatError(
            .usage, "\(node.rawValue) has to be told of each registry" + (duringOutage ? "" : " that is asked first"),
            advice: "--registry HOST, as often as there are registries")
    }
}

extension NodeRegistry {
    /// Reads `HOST[:PORT]`, or a URL where plain HTTP is to be said.
    ///
    /// - Throws: `LifeboatError` `.usage` for anything else.
    public init(parsing text: String) throws(LifeboatError) {
        var host = text[...]
        var isPlain = false
        if host.hasPrefix("http://") {
            isPlain = true
            host = host.dropFirst("http://".count)
        } else if host.hasPrefix("https://") {
            host = host.dropFirst("https://".count)
        }
        if host.hasSuffix("/") { host = host.dropLast() }
        guard Reference.isWellFormedHost(host) else {
            throw LifeboatError(
                .usage, "'\(shown(text, limit: 200))' is not a registry",
                advice: "HOST or HOST:PORT, with http:// before it where it has no TLS")
        }
        self.init(name: Reference.canonical(registry: String(host)), isPlain: isPlain)
    }
}
