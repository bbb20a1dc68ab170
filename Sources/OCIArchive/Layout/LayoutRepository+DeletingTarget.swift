import NIOCore
import OCI

extension LayoutRepository: DeletingTarget {
    func untag(_ tag: Tag) async throws -> Bool {
        guard let descriptor = try await listed(tag) else { return false }
        var changes: [LayoutIndex.Change] = [
            keepsOthers ? .untagOne(tag, of: registry, in: repository) : .untag(tag, in: repository)
        ]
        // The manifest stays, and so does its place in the list.
        let naming = ImageNaming(repository: repository)
        var kept = descriptor
        kept.annotations.merge(naming.annotations) { $1 }
        changes.append(.put(LayoutIndex.Entry(descriptor: kept, naming: naming), in: repository))
        try await layout.catalog.change(changes)
        return true
    }

    /// Takes the manifest out of this repository; its file stays as long as another image needs it.
    func deleteManifest(_ digest: Digest) async throws -> Bool {
        guard try await folder.status(of: digest) != nil else { return false }
        try await layout.catalog.change([.remove(digest, from: repository)])
        try await layout.catalog.flush()
        guard try await !layout.referenced().contains(digest) else { return true }
        await layout.subjects.remove(digest)
        try await remove(digest)
        return true
    }

    /// - Throws: `ArchiveError` `.conflict` for a blob that an image of the folder needs.
    func deleteBlob(_ digest: Digest) async throws -> Bool {
        guard try await folder.status(of: digest) != nil else { return false }
        guard try await !layout.referenced().contains(digest) else {
            throw ArchiveError(
                .conflict, "blob \(digest) belongs to an image in \(shown(layout.path))",
                advice: "delete the images that have it first")
        }
        try await remove(digest)
        return true
    }

    private func remove(_ digest: Digest) async throws {
        try await folder.files.remove(folder.path(of: digest))
        try await folder.files.syncFolder(folder.folder(of: digest.algorithm))
    }
}

extension Layout {
    /// Every manifest and blob that the list leads to.
    func referenced() async throws -> Set<Digest> {
        var found: Set<Digest> = []
        var waiting = try await catalog.current().entries.map(\.descriptor)
        while let descriptor = waiting.popLast() {
            guard found.insert(descriptor.digest).inserted else { continue }
            guard let manifest = try await folder.readableManifest(descriptor) else { continue }
            for child in manifest.children {
                if case .index = manifest.kind, child.mediaType.isManifest {
                    waiting.append(child)
                } else {
                    found.insert(child.digest)
                }
            }
        }
        return found
    }
}
