import OCI

/// What an image consists of, and how far it is known to be at its target.
///
/// Every part was either read, hashed and sent in this run, or is one that the target says it holds: those are trusted.
public struct Closure: Sendable, Hashable {
    /// The most trusted parts that are named one by one.
    public static let namedLimit = 1000

    /// Manifests, referrers and their manifests included.
    public var manifests: Int
    /// Configs and layers, each once.
    public var blobs: Int
    /// Manifests that refer to another one of the image: signatures, SBOMs, attestations.
    public var referrers: Int
    /// Layers that are recorded and stay where they are.
    public var foreign: [Digest]
    /// Children of an index that were left out on request.
    public var omitted: [Digest]
    /// Blobs that the target said it held: its word. At most `namedLimit` of them.
    public var trusted: [Digest] = []
    public var trustedCount = 0

    init(_ graph: ImageGraph) {
        manifests = graph.manifests.count
        blobs = graph.blobs.count
        referrers = Set(graph.referrers.values.joined().map(\.digest)).count
        foreign = graph.foreign.map(\.digest)
        omitted = graph.omitted.map(\.digest)
    }

    /// Whether the target has all of it, in part by its word.
    public var isWhole: Bool { foreign.isEmpty && omitted.isEmpty }

    mutating func trust(_ digest: Digest) {
        trustedCount += 1
        if trusted.count < Closure.namedLimit { trusted.append(digest) }
    }

    var json: JSONValue {
        func names(_ digests: [Digest]) -> JSONValue { .array(digests.map { .string($0.description) }) }
        var members: [String: JSONValue] = [
            "manifests": .number(Int64(manifests)), "blobs": .number(Int64(blobs)),
            "referrers": .number(Int64(referrers)), "trusted": .number(Int64(trustedCount)), "whole": .bool(isWhole),
        ]
        if !trusted.isEmpty { members["trustedBlobs"] = names(trusted) }
        if !foreign.isEmpty { members["foreign"] = names(foreign) }
        if !omitted.isEmpty { members["omitted"] = names(omitted) }
        return .object(members)
    }
}

/// A part of an image that is missing or damaged.
public struct PartFinding: Sendable, Hashable {
    public var digest: Digest
    /// What it is, such as `layer` or `manifest`.
    public var what: String
    /// `.damaged`, `.notFound`, or why it could not be read.
    public var kind: FailureKind
    public var message: String

    var json: JSONValue {
        .object([
            "digest": .string(digest.description), "part": .string(what), "class": .string(kind.rawValue),
            "message": .string(message),
        ])
    }
}
