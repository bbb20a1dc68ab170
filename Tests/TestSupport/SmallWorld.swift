import OCI

/// A store of four tags: an image under two of them and in two repositories, another one, and a referrer.
public enum SmallWorld {
    public static func store(name: String = "old") async throws -> MemoryStore {
        let store = MemoryStore(name: name)
        let app = try await store.target(RepositoryName("team/app"))
        let first = try await SeededImages.push(to: app, seed: 1, tags: [Tag("1"), Tag("latest")])
        try await SeededImages.push(to: app, seed: 2, tags: [Tag("2")])
        try await SeededImages.push(to: app, seed: 3, subject: first.descriptor)
        try await SeededImages.push(to: try await store.target(RepositoryName("base")), seed: 1, tags: [Tag("1")])
        return store
    }

    /// What every tag points to, by `repository:tag`.
    public static func digests(_ store: MemoryStore) async throws -> [String: Digest] {
        var digests: [String: Digest] = [:]
        for repository in await store.repositories() {
            let source = await store.source(repository)
            for tag in try await source.tags() {
                digests["\(repository):\(tag)"] = try await source.resolve(.tag(tag)).digest
            }
        }
        return digests
    }
}
