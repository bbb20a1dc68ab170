import OCI

/// Graphs and lists of referrers that a plan has read: each once, and held once, however many tags share it.
actor GraphShelf {
    /// Numbers stand for repositories and ways to read a graph: there may be 100,000 keys.
    private struct Key: Hashable {
        var subject: Subject
        var way: UInt32
    }

    private struct Subject: Hashable {
        /// Referrers belong to a repository, so equal digests in two of them may have different graphs.
        var repository: UInt32
        var digest: Digest
    }

    /// How a rule wants graphs to be read.
    private struct Way: Hashable {
        var platforms: [Platform]
        var referrers: Bool
        var referrerTypes: [NamePattern]
    }

    private var repositories: [String: UInt32] = [:]
    private var ways: [Way: UInt32] = [:]
    private var graphs: [Key: ImageGraph] = [:]
    private var referrers: [Subject: [Descriptor]] = [:]
    private let graphTurns = Turns<Key>()
    private let referrersTurns = Turns<Subject>()

    func graph(
        _ root: Descriptor, _ rule: SelectionRule, from reader: SpooledReader
    ) async throws -> ImageGraph {
        let way = Way(platforms: rule.platforms, referrers: rule.referrers, referrerTypes: rule.referrerTypes)
        let key = Key(subject: subject(root.digest, in: reader.source), way: ways.number(of: way))
        return try await graphTurns.take(key) {
            if let known = graphs[key] { return known }
            let graph = try await ImageGraph.read(
                root, platforms: rule.platforms, referrers: rule.referrers, from: reader, where: rule.wants(referrer:))
            graphs[key] = graph
            return graph
        }
    }

    func referrers(of digest: Digest, in source: any ImageSource) async throws -> [Descriptor] {
        let subject = subject(digest, in: source)
        return try await referrersTurns.take(subject) {
            if let known = referrers[subject] { return known }
            let found = try await source.referrers(of: digest)
            referrers[subject] = found
            return found
        }
    }

    private func subject(_ digest: Digest, in source: any ImageSource) -> Subject {
        Subject(repository: repositories.number(of: source.name), digest: digest)
    }
}

extension Dictionary where Value == UInt32 {
    /// The number that stands for a key: the next one for one that is new.
    fileprivate mutating func number(of key: Key) -> UInt32 {
        if let known = self[key] { return known }
        let next = UInt32(count)
        self[key] = next
        return next
    }
}
