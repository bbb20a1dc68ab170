import OCI

extension Layout: RegistryScopedStore {
    public func registries() async throws -> Set<String> {
        Set(try await catalog.current().entries.compactMap(\.naming.registry))
    }

    public func source(_ repository: RepositoryName, of registry: String?) async throws -> any ImageSource {
        guard let registry else { return source(repository) }
        let known = try await catalog.current().repositories[repository]
        let entries = (known?.tags.values.flatMap { $0 } ?? []) + (known.map { Array($0.untagged.values) } ?? [])
        guard entries.contains(where: { $0.naming.registry == nil || $0.naming.registry == registry }) else {
            throw ArchiveError(
                .notFound, "\(name) has no repository \(repository) of \(shown(registry, limit: 300))")
        }
        return LayoutRepository(self, repository, of: registry)
    }

    /// One repository as a target of what comes from `registry`: it leaves alone what others have under the same name.
    ///
    /// - Parameter isExact: whether only that is found in it, and not what is said to come from nowhere.
    public func target(_ name: RepositoryName, of registry: String?, isExact: Bool) -> any ImageTarget {
        LayoutRepository(self, name, of: registry, isExact: isExact)
    }
}
