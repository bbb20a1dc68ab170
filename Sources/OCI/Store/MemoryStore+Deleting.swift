extension MemoryRepository: DeletingTarget {
    func untag(_ tag: Tag) async throws -> Bool {
        await store.change(repository) { $0.tags.removeValue(forKey: tag) != nil }
    }

    func deleteManifest(_ digest: Digest) async throws -> Bool {
        await store.change(repository) { contents in
            contents.tags = contents.tags.filter { $0.value != digest }
            return contents.manifests.removeValue(forKey: digest) != nil
        }
    }

    func deleteBlob(_ digest: Digest) async throws -> Bool {
        await store.change(repository) { $0.blobs.removeValue(forKey: digest) != nil }
    }
}
