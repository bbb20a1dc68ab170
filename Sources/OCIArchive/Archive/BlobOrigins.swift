import OCI

/// Stores that may have what a damaged one has lost, asked one after the other.
struct BlobOrigins: Sendable {
    let stores: [any SourceStore]
    /// Every repository that the damaged store has images of: where nothing better is known, any of them may do.
    let repositories: [RepositoryName]

    /// Something that was lost, and the repositories that are known to need it.
    struct Lost: Sendable {
        let blob: Descriptor
        var repositories: [RepositoryName] = []
    }

    /// What a reader has to know first, where stores gave different reasons.
    private static let bySeverity: [FailureKind] = [
        .damaged, .protocolViolation, .auth, .policy, .conflict, .unavailable, .usage, .locked, .notFound,
    ]

    /// Those that can be asked for one blob after the other, in any order.
    private var askable: [any SourceStore] { stores.filter { !($0 is any SequentialSource) } }

    /// - Throws: the gravest reason of those why none of the stores gave it.
    func manifest(_ lost: Lost) async throws -> Manifest {
        // Also a store that is read in order knows its manifests.
        try await first(stores, lost) { source in try await source.manifest(lost.blob) }
    }

    /// - Parameter write: takes the bytes, which are checked as they pass; may be called again with the same blob.
    func read(
        _ lost: Lost, after prefix: @escaping @Sendable () async throws -> Prefix? = { nil },
        write: @escaping @Sendable (Content) async throws -> Void
    ) async throws {
        try await first(askable, lost) { source in
            let begun = try await prefix()
            do {
                try await source.read(lost.blob, after: begun, write)
            } catch let error as any Failure where error.kind == .damaged && begun != nil {
                // What an earlier run had begun was not the beginning of this.
                try await source.read(lost.blob, after: nil, write)
            }
        }
    }

    /// Stores that are read once, in their order.
    var streams: [any SequentialSource] { stores.compactMap { $0 as? any SequentialSource } }

    private func first<R: Sendable>(
        _ stores: [any SourceStore], _ lost: Lost, _ body: @Sendable (any ImageSource) async throws -> R
    ) async throws -> R {
        var reasons: [any Failure] = []
        for store in stores {
            for repository in try await candidates(lost, at: store) {
                do {
                    return try await body(try await store.source(repository))
                } catch let error as any Failure where error.kind != .local && error.kind != .internal {
                    reasons.append(error)
                }
            }
        }
        for kind in Self.bySeverity {
            if let reason = reasons.first(where: { $0.kind == kind }) { throw reason }
        }
        throw ArchiveError(
            .notFound, "\(lost.blob.digest) is in none of \(stores.map(\.name).joined(separator: ", "))",
            advice: "--from another registry or archive")
    }

    /// The repositories that need it come first. A catalog is asked for its own ones too: it finds a blob under any of them.
    private func candidates(_ lost: Lost, at store: any SourceStore) async throws -> [RepositoryName] {
        var names = lost.repositories + repositories
        if store is any ImageCatalog, let any = try await store.repositories().first { names.append(any) }
        var seen: Set<RepositoryName> = []
        return names.filter { seen.insert($0).inserted }
    }
}
