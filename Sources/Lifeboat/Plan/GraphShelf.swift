import OCI

/// Graphs and lists of referrers that a plan has read: each once, and held once, however many tags share it.
actor GraphShelf {
    private struct Key: Hashable {
        /// Referrers belong to a repository, so equal digests in two of them may have different graphs.
        var repository: String
        var digest: Digest
        var platforms: [Platform]
        var referrers: Bool
        var referrerTypes: [NamePattern]
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
        _ root: Descriptor, _ rule: SelectionRule, from reader: SpooledReader
    ) async throws -> ImageGraph {
        let key = Key(
            repository: reader.source.name, digest: root.digest, platforms: rule.platforms, referrers: rule.referrers,
            referrerTypes: rule.referrerTypes)
        return try await graphTurns.take(key) {
            if let known = graphs[key] { return known }
            let graph = try await ImageGraph.read(
                root, platforms: rule.platforms, referrers: rule.referrers, from: reader, where: rule.wants(referrer:))
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
