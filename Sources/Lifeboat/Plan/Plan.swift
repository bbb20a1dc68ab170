import OCI

/// Exactly what a step will move: every image pinned to a digest, and what will happen to it.
public struct Plan: Sendable {
    public var items: [PlanItem] = []
    /// Images that were asked for and could not be planned.
    public var failures: [PlanFailure] = []

    /// Unique bytes that the source must send: what is moved, each blob and manifest once.
    public var bytes: Int64 {
        var seen: Set<Digest> = []
        var total: Int64 = 0
        for case let graph? in items.map(\.graph) {
            for descriptor in graph.manifests + graph.blobs where seen.insert(descriptor.digest).inserted {
                total += descriptor.size
            }
        }
        return total
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
    /// The rule that chose it, in the words of the definition.
    public var rule = ""

    /// What the target's tag will point to.
    public var root: Descriptor { graph?.root ?? source.descriptor }

    public var sourceName: String { store.name + "/" + source.name }

    public func targetName(in target: String) -> String {
        target + "/" + targetRepository.description
            + (targetTag.map { ":" + $0.description } ?? "@" + root.digest.description)
    }
}

/// An image that could not be planned, and why.
public struct PlanFailure: Sendable {
    public var name: String
    public var error: any Error
}
