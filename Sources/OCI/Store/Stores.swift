/// One repository to read from.
public protocol ImageSource: ManifestReader {
    /// How messages call it, such as `registry.example.com/team/app`.
    var name: String { get }

    /// What a tag points to, or what a digest names.
    ///
    /// - Throws: a `Failure` of kind `.notFound` if there is no such manifest.
    func resolve(_ reference: TagOrDigest) async throws -> Descriptor

    /// All tags, sorted, each once.
    func tags() async throws -> [Tag]

    /// Calls `body` with the bytes of a blob from the end of `prefix` on: they belong to a blob of the size and digest
    /// of `blob`, or it throws.
    ///
    /// - Parameter prefix: what is known already; nil to read from the start.
    func read<R: Sendable>(
        _ blob: Descriptor, after prefix: Prefix?, _ body: @escaping @Sendable (Content) async throws -> R
    ) async throws -> R
}

extension ImageSource {
    public func read<R: Sendable>(
        _ blob: Descriptor, _ body: @escaping @Sendable (Content) async throws -> R
    ) async throws -> R {
        try await read(blob, after: nil, body)
    }
}

/// One repository to write to.
public protocol ImageTarget: Sendable {
    /// How messages call it.
    var name: String { get }

    /// What a tag points to now, or whether a digest is known; nil if there is no such manifest.
    func find(_ reference: TagOrDigest) async throws -> Descriptor?

    /// Whether the target says that it holds a blob. Its word only: the bytes are not read.
    func contains(_ blob: Descriptor) async throws -> Bool

    /// Stores a blob. It is visible only when complete; the same content twice is no error.
    func write(_ content: Content) async throws

    /// Stores a manifest, all of whose children are there, and then points the tags to it.
    ///
    /// - Throws: a `Failure`; `MissingChildren` if the target says that it lacks some of them after all.
    func push(_ manifest: Manifest, tags: [Tag]) async throws
}

/// A target does not find what a manifest points to, whatever it said of them before.
public struct MissingChildren: Failure {
    public let manifest: Digest
    public let target: String
    public let detail: String
    /// Children that the target names as missing; empty where it names none.
    public let children: Set<Digest>

    public init(manifest: Digest, target: String, detail: String, children: Set<Digest> = []) {
        self.manifest = manifest
        self.target = target
        self.detail = detail
        self.children = children
    }

    public var kind: FailureKind { .conflict }
    public var advice: String? { "run it again; if it stays so, the registry has lost blobs that it says it holds" }
    public var description: String {
        "\(target) refuses manifest \(manifest.short) because it lacks content: \(detail)"
    }
}

/// Many repositories to read from.
public protocol SourceStore: Sendable {
    /// How messages call it: a host or a path.
    var name: String { get }
    /// All repositories, sorted.
    func repositories() async throws -> [RepositoryName]
    func source(_ repository: RepositoryName) async throws -> any ImageSource
}

/// Many repositories to write to.
public protocol TargetStore: Sendable {
    var name: String { get }
    func target(_ repository: RepositoryName) async throws -> any ImageTarget
}
