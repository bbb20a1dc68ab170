/// All that an image consists of: its manifests down to its blobs, and its referrers with theirs.
public struct ImageGraph: Sendable {
    /// The deepest nesting of indexes and referrers that is followed.
    public static let depthLimit = 32
    /// The most manifests and blobs of one image.
    public static let nodeLimit = 100_000

    /// What the tag will point to. With one platform chosen it is that platform's manifest, not the index.
    public internal(set) var root: Descriptor
    /// Every manifest once, children before parents, referrers after what they refer to.
    public internal(set) var manifests: [Descriptor] = []
    /// Every config and layer once, in the order in which they are first referred to.
    public internal(set) var blobs: [Descriptor] = []
    /// Layers that live elsewhere and are recorded, not moved.
    public internal(set) var foreign: [Descriptor] = []
    /// Children of an index that were left out on request.
    public internal(set) var omitted: [Descriptor] = []
    /// What the root refers to, if it is a signature, an SBOM or the like. It is no part of the image.
    public internal(set) var subject: Digest?
    /// The referrers of each manifest that has any.
    public internal(set) var referrers: [Digest: [Descriptor]] = [:]

    /// Bytes of all manifests and blobs, each once.
    public var size: Int64 { (manifests + blobs).reduce(0) { $0 + $1.size } }
}

/// Where a graph's manifests come from.
public protocol ManifestReader: Sendable {
    func manifest(_ descriptor: Descriptor) async throws -> Manifest
    /// Whatever refers to the manifest: signatures, SBOMs, attestations.
    func referrers(of digest: Digest) async throws -> [Descriptor]
}

extension ImageGraph {
    /// Reads every manifest under `root`.
    ///
    /// - Parameters:
    ///   - platforms: none for all of them. One puts that platform's manifest in the root's place; several leave
    ///     out the other children of an index, whose bytes stay as they are.
    ///   - referrers: whether whatever refers to these manifests belongs to the image.
    ///   - isWanted: which of them do, such as those of some artifact types; the others are not even read.
    /// - Throws: `OCIError` `.policy` beyond `depthLimit` or `nodeLimit`, `.damaged` where two descriptors contradict
    ///   each other, `.notFound` if no child is for one of the platforms; and what the reader throws.
    public static func read(
        _ root: Descriptor, platforms: [Platform] = [], referrers: Bool = true, from reader: some ManifestReader,
        where isWanted: @escaping @Sendable (Descriptor) -> Bool = { _ in true }
    ) async throws -> ImageGraph {
        var walk = GraphWalk(reader: reader, platforms: platforms, followsReferrers: referrers, isWanted: isWanted)
        var root = root
        if platforms.count == 1 { root = try await walk.child(of: root, for: platforms[0]) }
        walk.graph.root = root
        try await walk.visitManifest(root, depth: 0)
        return walk.graph
    }
}

private struct GraphWalk<Reader: ManifestReader> {
    let reader: Reader
    let platforms: [Platform]
    let followsReferrers: Bool
    let isWanted: @Sendable (Descriptor) -> Bool
    var graph: ImageGraph
    private var sizes: [Digest: Int64] = [:]
    private var manifestsSeen: Set<Digest> = []
    private var blobsSeen: Set<Digest> = []

    init(
        reader: Reader, platforms: [Platform], followsReferrers: Bool,
        isWanted: @escaping @Sendable (Descriptor) -> Bool
    ) {
        self.reader = reader
        self.platforms = platforms
        self.followsReferrers = followsReferrers
        self.isWanted = isWanted
        graph = ImageGraph(root: Descriptor(mediaType: .ociEmpty, digest: Digest(of: [UInt8]()), size: 0))
    }

    /// The manifest for one platform: the root itself if it is no index.
    func child(of root: Descriptor, for platform: Platform) async throws -> Descriptor {
        guard case .index(let children) = try await reader.manifest(root).kind else { return root }
        let known = children.compactMap(\.platform).filter { !$0.isUnknown }
        guard let child = children.first(where: { $0.platform.map(platform.matches) ?? false }) else {
            throw OCIError(
                .notFound, "\(root.digest.short) has no image for \(platform)",
                advice: "one of " + known.map(\.description).joined(separator: ", "))
        }
        return child
    }

    mutating func visitManifest(_ descriptor: Descriptor, depth: Int) async throws {
        try count(descriptor, depth: depth)
        guard manifestsSeen.insert(descriptor.digest).inserted else { return }
        let manifest = try await reader.manifest(descriptor)
        if depth == 0 { graph.subject = manifest.subject?.digest }
        switch manifest.kind {
        case .image(let config, let layers):
            for blob in (config.map { [$0] } ?? []) + layers { try visitBlob(blob) }
        case .index(let children):
            for child in try chosen(children, of: descriptor) {
                if child.mediaType.isManifest {
                    try await visitManifest(child, depth: depth + 1)
                } else {
                    try visitBlob(child)
                }
            }
        }
        graph.manifests.append(manifest.descriptor)
        if followsReferrers { try await visitReferrers(of: descriptor.digest, depth: depth) }
    }

    private mutating func visitReferrers(of digest: Digest, depth: Int) async throws {
        let found = try await reader.referrers(of: digest).filter(isWanted)
        guard !found.isEmpty else { return }
        graph.referrers[digest] = found
        for referrer in found { try await visitManifest(referrer, depth: depth + 1) }
    }

    private mutating func visitBlob(_ blob: Descriptor) throws(OCIError) {
        try count(blob, depth: 0)
        if blob.isForeign {
            if blobsSeen.insert(blob.digest).inserted { graph.foreign.append(blob) }
        } else if blobsSeen.insert(blob.digest).inserted {
            graph.blobs.append(blob)
        }
    }

    private mutating func count(_ descriptor: Descriptor, depth: Int) throws(OCIError) {
        guard depth <= ImageGraph.depthLimit else {
            throw .policy("\(graph.root.digest.short) is nested deeper than \(ImageGraph.depthLimit)")
        }
        if let size = sizes.updateValue(descriptor.size, forKey: descriptor.digest), size != descriptor.size {
            let place = (reader as? any ImageSource).map { " in \($0.name)" } ?? ""
            throw OCIError(
                .damaged,
                "image \(graph.root.digest.short)\(place) contradicts itself: it gives \(descriptor.digest) both "
                    + "\(size) and \(descriptor.size) bytes",
                advice: "build or export that image again, or leave it out")
        }
        guard sizes.count <= ImageGraph.nodeLimit else {
            throw .policy("\(graph.root.digest.short) has more than \(ImageGraph.nodeLimit) manifests and blobs")
        }
    }

    /// The children for the platforms asked for, with their attestations.
    private mutating func chosen(_ children: [Descriptor], of index: Descriptor) throws(OCIError) -> [Descriptor] {
        guard platforms.count > 1 else { return children }
        let wanted = Set(
            children.filter { child in
                guard let platform = child.platform, !platform.isUnknown else { return false }
                return platforms.contains { $0.matches(platform) }
            }.map(\.digest))
        for platform in platforms
        where !children.contains(where: { $0.platform.map(platform.matches) ?? false })
            && index.digest == graph.root.digest
        {
            let known = children.compactMap(\.platform).filter { !$0.isUnknown }.map(\.description)
            throw OCIError(
                .notFound, "\(index.digest.short) has no image for \(platform)",
                advice: "one of " + known.joined(separator: ", "))
        }
        let kept = children.filter { child in
            guard let platform = child.platform else { return true }
            if !platform.isUnknown { return wanted.contains(child.digest) }
            guard let about = child.annotations["vnd.docker.reference.digest"] else { return true }
            return wanted.contains { $0.description == about }
        }
        let keptSet = Set(kept)
        graph.omitted += children.filter { !keptSet.contains($0) }
        return kept
    }
}
