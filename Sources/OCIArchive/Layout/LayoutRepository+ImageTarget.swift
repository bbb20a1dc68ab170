import NIOCore
import OCI

extension LayoutRepository: ImageTarget, BlobMounting {
    /// A manifest whose file is missing, short or altered counts as absent: it is then written again.
    func find(_ reference: TagOrDigest) async throws -> Descriptor? {
        let digest: Digest
        switch reference {
        case .digest(let wanted): digest = wanted
        case .tag(let tag):
            guard let descriptor = try await listed(tag) else { return nil }
            digest = descriptor.digest
        }
        do {
            return try await stored(digest)?.descriptor
        } catch let error as ArchiveError where error.kind == .damaged {
            return nil
        }
    }

    func contains(_ blob: Descriptor) async throws -> Bool {
        try await folder.status(of: blob.digest)?.size == blob.size
    }

    func write(_ content: Content) async throws {
        try await folder.store(content)
    }

    func push(_ manifest: Manifest, tags: [Tag]) async throws {
        let descriptor = manifest.descriptor
        if try await find(.digest(descriptor.digest)) == nil {
            try await folder.store(Content(manifest.bytes, as: descriptor, from: "memory"))
        }
        var changes = tags.map { tag in
            let entry = entry(for: manifest, tag: tag)
            return keepsOthers ? LayoutIndex.Change.putBeside(entry, in: repository) : .put(entry, in: repository)
        }
        if tags.isEmpty { changes.append(.put(entry(for: manifest, tag: nil), in: repository)) }
        if case .index(let children) = manifest.kind { changes.append(.absorb(children.map(\.digest), in: repository)) }
        try await layout.catalog.change(changes)
        await layout.subjects.add(manifest)
    }

    func mount(_ blob: Descriptor, from other: RepositoryName) async throws -> Bool {
        try await folder.status(of: blob.digest) != nil
    }

    private func entry(for manifest: Manifest, tag: Tag?) -> LayoutIndex.Entry {
        let registry = keepsOthers ? registry : layout.registry
        let naming = ImageNaming(registry: tag == nil ? nil : registry, repository: repository, tag: tag)
        var descriptor = manifest.descriptor
        descriptor.annotations = naming.annotations
        return LayoutIndex.Entry(descriptor: descriptor, naming: naming, isPassing: manifest.subject == nil)
    }
}
