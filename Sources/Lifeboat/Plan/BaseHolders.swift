import OCI
import OCIArchive

/// Where at a registry the parts of images are that a delta leaves to its base: the base may have been imported under
/// other names.
actor BaseHolders {
    /// Repositories that are looked into for one image, and as many of other images as this.
    static let limit = 16
    private static let otherLimit = 64

    private let store: any SourceStore
    private let target: any TargetStore
    private var listing: [RepositoryName]?
    /// What the images of the plan are called at the target, by their digests.
    private var named: [Digest: [RepositoryName]] = [:]
    /// The repositories of other images, in their order.
    private(set) var others: [RepositoryName] = []

    /// - Returns: nil for a target that is no registry.
    init?(at target: any TargetStore) {
        guard !(target is any PlannedTarget), let store = target as? any SourceStore else { return nil }
        self.store = store
        self.target = target
    }

    /// Tells what the images of the plan are called at the target.
    func learn(_ names: [(digest: Digest, repository: RepositoryName)]) {
        for (digest, repository) in names where named[digest]?.contains(repository) != true {
            named[digest, default: []].append(repository)
        }
        others = Array((others + names.map(\.repository)).uniqued().prefix(BaseHolders.otherLimit))
    }

    /// Repositories that may have parts of an image: those of its other names, those into which its digest was written,
    /// as far as that is remembered, then those with the same name under another prefix or without one.
    func repositories(of image: NamedImage, _ written: (any WrittenTags)?) async throws -> [RepositoryName] {
        var found = named[image.descriptor.digest] ?? []
        found += try await remembered(image.descriptor.digest, written)
        let name = image.repository.description
        found += try await listed().filter { other in
            let other = other.description
            return other == name || other.hasSuffix("/" + name) || name.hasSuffix("/" + other)
        }
        return Array(found.uniqued().prefix(BaseHolders.limit))
    }

    /// A manifest that the delta lacks, from any of some repositories that has it.
    func manifest(_ descriptor: Descriptor, in repositories: [RepositoryName]) async throws -> Manifest? {
        for repository in repositories {
            do {
                return try await store.source(repository).manifest(descriptor)
            } catch let error as any Failure where BaseHolders.isPassable(error) {
                continue
            }
        }
        return nil
    }

    /// The first of some repositories that has a blob.
    func holder(of blob: Descriptor, among repositories: [RepositoryName]) async throws -> RepositoryName? {
        for repository in repositories {
            do {
                if try await target.target(repository).contains(blob) { return repository }
            } catch let error as any Failure where BaseHolders.isPassable(error) {
                continue
            }
        }
        return nil
    }

    private func remembered(_ digest: Digest, _ written: (any WrittenTags)?) async throws -> [RepositoryName] {
        do {
            return try await written?.repositories(registry: store.name, digest: digest) ?? []
        } catch let error as any Failure where error.kind != .internal {
            return []  // without the catalog there are still the names
        }
    }

    private func listed() async throws -> [RepositoryName] {
        if let listing { return listing }
        var found: [RepositoryName] = []
        do {
            found = try await store.repositories()
        } catch let error as any Failure where BaseHolders.isPassable(error) {
            // Not every registry lists its repositories, or to everybody.
        }
        listing = found
        return found
    }

    /// That one place has nothing to give is no fault: in the end the delta says what it builds on.
    private static func isPassable(_ error: any Failure) -> Bool { error.kind != .internal && error.kind != .local }
}
