import OCI
import OCIArchive

/// A store that is only read, and a layout folder over it that takes what is pushed.
///
/// Reading looks into the folder first and falls through to what is below. The folder is whole at any time: what a
/// pushed image shares with the store below is copied into it before the image has a name there.
public struct Overlay: RegistryScopedStore, TargetStore {
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

    private func repository(_ name: RepositoryName, of registry: String?) async throws -> OverlayRepository {
        guard let over = layout.target(name) as? any OverlayRepository.Writable else {
            throw LifeboatError(.internal, "a layout folder takes no uploads")
        }
        return OverlayRepository(
            repository: name, over: over, base: try await below(name, of: registry), overlay: self)
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
