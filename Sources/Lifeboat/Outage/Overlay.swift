import OCI
import OCIArchive

/// A store that is only read, and a layout folder over it that takes what is pushed.
///
/// Reading looks into the folder first and falls through to what is below. The folder is whole at any time: what a
/// pushed image shares with the store below is copied into it before the image has a name there.
///
/// Over images of several registries, what is pushed for one of them is found as an image of that one only, and what is
/// pushed for none is found by who asks for none.
public struct Overlay: RegistryScopedStore, RegistryScopedTarget {
    let base: any SourceStore
    let layout: Layout

    public init(_ layout: Layout, over base: any SourceStore) {
        self.layout = layout
        self.base = base
    }

    public var name: String { base.name }

    public func repositories() async throws -> [RepositoryName] {
        Set(try await base.repositories() + layout.repositories()).sorted()
    }

    public func registries() async throws -> Set<String> {
        try await registriesBelow().union(layout.registries())
    }

    func registriesBelow() async throws -> Set<String> {
        guard let base = base as? any RegistryScopedStore else { return [] }
        return try await base.registries()
    }

    public func source(_ repository: RepositoryName) async throws -> any ImageSource {
        try await self.repository(repository, of: nil)
    }

    public func source(_ repository: RepositoryName, of registry: String?) async throws -> any ImageSource {
        try await self.repository(repository, of: registry)
    }

    public func target(_ repository: RepositoryName) async throws -> any ImageTarget {
        try await self.repository(repository, of: nil)
    }

    public func target(_ repository: RepositoryName, of registry: String?) async throws -> any ImageTarget {
        try await self.repository(repository, of: registry)
    }

    private func repository(_ name: RepositoryName, of registry: String?) async throws -> OverlayRepository {
        // Where there is one registry only, nobody has to say which is meant.
        let isScoped = try await registriesBelow().count > 1
        let target = layout.target(name, of: registry, isExact: isScoped)
        guard let over = target as? any OverlayRepository.Writable else {
            throw LifeboatError(.internal, "a layout folder takes no uploads")
        }
        return OverlayRepository(
            repository: name, over: over, base: try await below(name, of: registry), overlay: self,
            isOfAny: isScoped && registry == nil)
    }

    /// What a tag stands for in each registry for which something has been pushed under it, and in those below.
    ///
    /// - Returns: nothing where none of it has been pushed.
    func held(_ tag: Tag, in name: RepositoryName) async throws -> [String: Descriptor] {
        var found: [String: Descriptor] = [:]
        for registry in try await layout.registries() {
            found[registry] = try await layout.target(name, of: registry, isExact: true).find(.tag(tag))
        }
        guard !found.isEmpty else { return [:] }
        for registry in try await registriesBelow() where found[registry] == nil {
            do {
                found[registry] = try await below(name, of: registry)?.resolve(.tag(tag))
            } catch let error as any Failure where error.kind == .notFound {
                continue
            }
        }
        return found
    }

    /// What is below under that name; nil if nothing is.
    func below(_ name: RepositoryName, of registry: String? = nil) async throws -> (any RandomAccessSource)? {
        do {
            if let base = base as? any RegistryScopedStore {
                return try await base.source(name, of: registry) as? any RandomAccessSource
            }
            return try await base.source(name) as? any RandomAccessSource
        } catch let error as any Failure where error.kind == .notFound {
            return nil
        }
    }
}
