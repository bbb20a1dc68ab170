import OCI

extension Layout: ImageCatalog, TargetStore {
    public var name: String { shown(path, limit: 1000) }

    public func repositories() async throws -> [RepositoryName] {
        let index = try await placed()
        return index.repositories.keys.sorted()
    }

    public func images() async throws -> [NamedImage] {
        let index = try await placed()
        let referrers = try await untaggedReferrers(index)
        let images = try index.repositories.flatMap { name, repository in
            let tagged = try repository.tags.flatMap { tag, entries in
                try entries.map { entry in
                    if entries.contains(where: {
                        $0.naming.registry == entry.naming.registry && $0.descriptor.digest != entry.descriptor.digest
                    }) {
                        throw ambiguous(name, tag, entries)
                    }
                    return entry
                }
            }
            let untagged = repository.untagged.values.filter { !referrers.contains($0.descriptor.digest) }
            return (tagged + untagged).map {
                NamedImage(
                    registry: $0.naming.registry, repository: name, tag: $0.naming.tag, descriptor: $0.descriptor)
            }
        }
        return images.sorted {
            ($0.registry ?? "", $0.repository, $0.tag?.description ?? "", $0.descriptor.digest)
                < ($1.registry ?? "", $1.repository, $1.tag?.description ?? "", $1.descriptor.digest)
        }
    }

    public func source(_ repository: RepositoryName) -> any ImageSource { LayoutRepository(self, repository) }
    public func target(_ repository: RepositoryName) -> any ImageTarget { LayoutRepository(self, repository) }

    /// The list, if every image in it has a repository.
    private func placed() async throws -> LayoutIndex {
        let index = try await catalog.current()
        for entry in index.unplaced {
            // A signature or SBOM needs no name: it belongs to what it refers to.
            if entry.naming.tag == nil, try await folder.readableManifest(entry.descriptor)?.subject != nil { continue }
            throw entry.unplaced(in: shown(path, limit: 1000))
        }
        return index
    }

    func ambiguous(_ repository: RepositoryName, _ tag: Tag, _ entries: [LayoutIndex.Entry]) -> ArchiveError {
        let digests = entries.map { $0.descriptor.digest.short }.sorted().joined(separator: " and ")
        return ArchiveError(
            .damaged, "\(shown(folder.indexPath)) names \(repository):\(tag) more than once: \(digests)")
    }
}
