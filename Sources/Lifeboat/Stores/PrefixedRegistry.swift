import OCI

/// The repositories of a registry under a path, called by what stands behind it in their names.
struct PrefixedRegistry: SourceStore {
    let base: any SourceStore
    /// Without a slash at its end; not empty.
    let prefix: String

    var name: String { base.name + "/" + prefix }

    func repositories() async throws -> [RepositoryName] {
        try await base.repositories().compactMap { repository in
            let name = repository.description
            return name.hasPrefix(prefix + "/") ? try RepositoryName(String(name.dropFirst(prefix.count + 1))) : nil
        }
    }

    func source(_ repository: RepositoryName) async throws -> any ImageSource {
        try await base.source(RepositoryName(prefix + "/" + repository.description))
    }
}

extension SourceStore {
    /// The part of a registry that a definition means.
    func under(_ prefix: String) -> any SourceStore {
        prefix.isEmpty ? self : PrefixedRegistry(base: self, prefix: prefix)
    }
}
