import OCI

/// Finds the images of a store that a selection means, and pins each to its digest.
struct Selector: Sendable {
    let store: any SourceStore
    /// Requests under way at once.
    var concurrency = 16
    /// Where manifests are kept that had to be read to choose, so that nobody reads them again.
    var spool: ManifestSpool?
    /// How names are pinned to digests; nil to ask the source for each.
    var pinning: Pinning?

    /// A rule as it applies to some images of a selection.
    final class AppliedRule: Sendable {
        let rule: SelectionRule
        /// The number of the rule in the selection, from 1.
        let number: Int
        /// The rule in the words of the definition.
        let summary: String

        init(_ rule: SelectionRule, number: Int) {
            self.rule = rule
            self.number = number
            summary = rule.summary
        }
    }

    /// An image that was asked for, and what became of looking for it.
    struct Selected: Sendable {
        var image: NamedImage
        /// The rule that owns it: one for all of its images.
        let applied: AppliedRule
        /// The image to which this belongs by its tag, as cosign's signatures do.
        var companionOf: Digest?

        /// The rule that owns it, as it applies to it.
        var rule: SelectionRule { applied.rule }
        var ruleNumber: Int { applied.number }
    }

    struct Outcome: Sendable {
        var selected: [Selected] = []
        var failures: [(name: String, error: any Error)] = []
        /// What a reader should know and that is no failure.
        var notes: [String] = []
    }

    func select(_ selection: Selection) async throws -> Outcome {
        if let catalog = store as? any ImageCatalog {
            try await select(selection, from: catalog)
        } else {
            try await selectByRequests(selection)
        }
    }

    func nothingMatches(_ rule: SelectionRule) -> LifeboatError {
        if let list = rule.list {
            return LifeboatError(
                .notFound, "\(list.summary) names no image of \(store.name)",
                advice: "lines are repository:tag, repository@digest or \(store.name)/repository:tag")
        }
        return LifeboatError(
            .notFound, "\(store.name) has no image that matches \(rule.summary)",
            advice: "lifeboat list \(store.name) shows what is there")
    }

    /// The newest of some images of one repository, by the times that they give.
    ///
    /// - Throws: `LifeboatError` of kind `.policy` that names images that give none.
    func newest(_ candidates: [NamedImage], _ count: Int, from source: any ImageSource) async throws -> Set<Tag> {
        let digests = Array(Set(candidates.map(\.descriptor.digest)))
        let descriptors = Dictionary(
            candidates.map { ($0.descriptor.digest, $0.descriptor) }, uniquingKeysWith: { first, _ in first })
        let times = try await map(digests, limit: concurrency) { digest -> (Digest, Moment?) in
            guard let descriptor = descriptors[digest] else { return (digest, nil) }
            if let spool {
                let reader = SpooledReader(source: source, spool: spool)
                return (digest, try await CreationTime.read(descriptor, from: source, by: reader))
            }
            return (digest, try await CreationTime.read(descriptor, from: source, by: source))
        }
        let byDigest = Dictionary(times, uniquingKeysWith: { first, _ in first })
        var dated: [(time: Moment, tag: Tag)] = []
        var undated: [Tag] = []
        for image in candidates {
            guard let tag = image.tag else { continue }
            if let time = byDigest[image.descriptor.digest] ?? nil {
                dated.append((time, tag))
            } else {
                undated.append(tag)
            }
        }
        guard undated.isEmpty else {
            throw TagChoice.cannotOrder(
                undated, of: source.name, because: "no time of creation",
                advice: "order them by semver, or leave them out with except")
        }
        dated.sort { ($0.time, $0.tag) > ($1.time, $1.tag) }
        return Set(dated.prefix(count).map(\.tag))
    }
}
