import OCI

/// Exactly what a step will move: every image pinned to a digest, and what will happen to it.
public struct Plan: Sendable {
    public var items: [PlanItem] = []
    /// Images that were asked for and could not be planned.
    public var failures: [PlanFailure] = []
    /// What a reader should know and that is no failure, such as images of a list that are passed over.
    public var notes: [String] = []
    /// Why what was listed is not believed; what is planned is done all the same, and the run says so.
    public var doubt: (any Failure)?
    /// Why the backup of a target is suspect, by the target's place.
    var suspects: [Int: LifeboatError] = [:]
    /// What the one target has to be given, where it says so beforehand; nil for all that the images consist of.
    public var lacking: Set<Digest>?

    /// Unique bytes that the source must send: what is moved, each blob and manifest once.
    public var bytes: Int64 {
        var seen: Set<Digest> = []
        var total: Int64 = 0
        for case let graph? in items.map(\.graph) {
            for descriptor in graph.manifests + graph.blobs where seen.insert(descriptor.digest).inserted {
                if lacking?.contains(descriptor.digest) ?? true { total += descriptor.size }
            }
        }
        return total
    }

    /// Whether nothing has to be moved for an image: it is there, or all that it consists of.
    func isThere(_ item: PlanItem) -> Bool {
        if item.action == .alreadyThere { return true }
        guard let lacking, let graph = item.graph else { return false }
        return !(graph.manifests + graph.blobs).contains { lacking.contains($0.digest) }
    }
}

/// One image of a plan.
public struct PlanItem: Sendable {
    /// What will happen to the image.
    public enum Action: Sendable, Hashable {
        case copy
        /// The target's tag points to the same digest already.
        case alreadyThere
        /// The tag will be moved from another digest.
        case replace(Digest)
    }

    public var source: NamedImage
    public var store: any SourceStore
    public var targetRepository: RepositoryName
    public var targetTag: Tag?
    public var action: Action
    /// All that belongs to the image; nil where nothing has to be moved.
    public var graph: ImageGraph?
    /// What a reader should know and that is no failure.
    public var notes: [String] = []
    /// How often requests for its manifests were repeated.
    var retries = 0
    /// Which of the step's targets it is for.
    public var target = 0
    /// How messages call that target.
    public var targetStore = ""
    /// What is done about a tag that points elsewhere.
    public var overwrite = Overwrite.never
    /// Whether its referrers were looked up: when it is at the target, so are they.
    var readsReferrers = false
    var chosenBy: Selector.AppliedRule?

    /// Where the target has blobs of it that its source lacks, under images that are there.
    var holders: [Digest: RepositoryName] = [:]

    /// The rule that chose it, in the words of the definition.
    public var rule: String { chosenBy?.summary ?? "" }

    /// Between which repositories its referrers are copied.
    var referrerWay: ReferrerWay? {
        chosenBy.map { chosen in
            ReferrerWay(
                from: "\(store.name)/\(source.repository)", to: "\(targetStore)/\(targetRepository)", by: chosen.rule)
        }
    }

    /// What the target's tag will point to.
    public var root: Descriptor { graph?.root ?? source.descriptor }

    public var sourceName: String { store.name + "/" + source.name }

    public var targetName: String {
        targetStore + "/" + targetRepository.description
            + (targetTag.map { ":" + $0.description } ?? "@" + root.digest.description)
    }
}

/// An image that could not be planned, and why.
public struct PlanFailure: Sendable {
    public var name: String
    /// What it would have been called, if it is a target that is in the way.
    public var target: String?
    /// The one of several targets that lacks it then; nil for all of them.
    public var targetNumber: Int?
    public var error: any Error

    init(name: String, target: String? = nil, targetNumber: Int? = nil, error: any Error) {
        self.name = name
        self.target = target
        self.targetNumber = targetNumber
        self.error = error
    }
}
