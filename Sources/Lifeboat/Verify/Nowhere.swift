import OCI

/// A target that keeps nothing: copying to it reads and checks every byte.
struct Nowhere: TargetStore {
    static let name = "nowhere"
    var name: String { Nowhere.name }

    func target(_ repository: RepositoryName) -> any ImageTarget { NowhereRepository(name: name) }
}

struct NowhereRepository: ImageTarget {
    let name: String

    func find(_ reference: TagOrDigest) async throws -> Descriptor? { nil }
    func contains(_ blob: Descriptor) async throws -> Bool { false }
    func write(_ content: Content) async throws { try await content.verify() }
    func push(_ manifest: Manifest, tags: [Tag]) async throws {}
}
