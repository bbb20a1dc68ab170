import OCI

/// Graphs and lists of referrers that a plan has read: each once, and held once, however many tags share it.
actor GraphShelf {
    private struct Key: Hashable {
        /// Referrers belong to a repository, so equal digests in two of them may have different graphs.
        var repository: String
        var digest: Digest
        var platforms: [Platform]
        var referrers: Bool
    }

    private struct Subject: Hashable {
        var repository: String
        var digest: Digest
    }

    private var graphs: [Key: ImageGraph] = [:]
    private var referrers: [Subject: [Descriptor]] = [:]
    private let graphTurns = Turns<Key>()
    private let referrersTurns = Turns<Subject>()

    func graph(
        _ root: Descriptor, platforms: [Platform], referrers: Bool, from reader: SpooledReader
    ) async throws -> ImageGraph {
        let key = Key(
            repository: reader.source.name, digest: root.digest, platforms: platforms, referrers: referrers)
        return try await graphTurns.take(key) {
            if let known = graphs[key] { return known }
            let graph = try await ImageGraph.read(root, platforms: platforms, referrers: referrers, from: reader)
            graphs[key] = graph
            return graph
        }
    }

    func referrers(of digest: Digest, in source: any ImageSource) async throws -> [Descriptor] {
        let subject = Subject(repository: source.name, digest: digest)
        return try await referrersTurns.take(subject) {
            if let known = referrers[subject] { return known }
            let found = try await source.referrers(of: digest)
            referrers[subject] = found
            return found
        }
    }
}
