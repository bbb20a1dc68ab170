/// All that an image consists of: its manifests down to its blobs, and its referrers with theirs.
///
/// A reference, since many tags and targets share one.
public final class ImageGraph: Sendable {
    /// The deepest nesting of indexes and referrers that is followed.
    public static let depthLimit = 32
    /// The most manifests and blobs of one image.
    public static let nodeLimit = 100_000

    /// What the tag will point to. With one platform chosen it is that platform's manifest, not the index.
    public let root: Descriptor
    /// Every manifest once, children before parents, referrers after what they refer to.
    public let manifests: [Descriptor]
    /// Every config and layer once, in the order in which they are first referred to: media type, digest and size.
    public let blobs: [Descriptor]
    /// Layers that live elsewhere and are recorded, not moved.
    public let foreign: [Descriptor]
    /// Children of an index that were left out on request.
    public let omitted: [Descriptor]
    /// What the root refers to, if it is a signature, an SBOM or the like. It is no part of the image.
    public let subject: Digest?
    /// The referrers of each manifest that has any.
    public let referrers: [Digest: [Descriptor]]

    /// Bytes of all manifests and blobs, each once.
    public var size: Int64 { manifests.reduce(0) { $0 + $1.size } + blobs.reduce(0) { $0 + $1.size } }

    fileprivate init(_ parts: GraphParts) {
        root = parts.root
        // Copies are as large as what is in them; arrays that have grown are not.
        manifests = parts.manifests.map(\.self)
        blobs = parts.blobs.map(\.self)
        foreign = parts.foreign
        omitted = parts.omitted
        subject = parts.subject
        referrers = parts.referrers
    }
}

/// A graph that is being read.
private struct GraphParts {
    var root = Descriptor(mediaType: .ociEmpty, digest: Digest(of: [UInt8]()), size: 0)
    var manifests: [Descriptor] = []
    var blobs: [Descriptor] = []
    var foreign: [Descriptor] = []
    var omitted: [Descriptor] = []
    var subject: Digest?
    var referrers: [Digest: [Descriptor]] = [:]
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
        let root = try await self.root(of: root, platforms: platforms, from: reader)
        walk.graph.root = root
        try await walk.visitManifest(root, depth: 0)
        try walk.checkPlatforms()
        return ImageGraph(walk.graph)
    }

    /// What the tag of an image will point to: with one platform chosen that platform's manifest, else the root.
    ///
    /// - Throws: `OCIError` `.notFound` if no child is for the platform; and what the reader throws.
    public static func root(
        of root: Descriptor, platforms: [Platform], from reader: some ManifestReader
    ) async throws -> Descriptor {
        guard platforms.count == 1 else { return root }
        var known: [Platform] = []
        if let child = try await child(of: root, for: platforms[0], from: reader, depth: 0, &known) { return child }
        throw OCIError(
            .notFound, "\(root.digest.short) has no image for \(platforms[0])",
            advice: "one of " + known.map(\.description).joined(separator: ", "))
    }

    /// - Parameter known: the platforms that were met.
    /// - Returns: the manifest for one platform: the root itself if it is no index; indexes in it are searched too.
    private static func child(
        of root: Descriptor, for platform: Platform, from reader: some ManifestReader, depth: Int,
        _ known: inout [Platform]
    ) async throws -> Descriptor? {
        guard depth <= depthLimit else {
            throw OCIError.policy("\(root.digest.short) is nested deeper than \(depthLimit)")
        }
        guard case .index(let children) = try await reader.manifest(root).kind else { return root }
        known += children.compactMap(\.platform).filter { !$0.isUnknown }
        if let child = children.first(where: { $0.platform.map(platform.matches) ?? false }) {
            guard child.mediaType.isIndex else { return child }
            return try await self.child(of: child, for: platform, from: reader, depth: depth + 1, &known)
        }
        for child in children where child.mediaType.isIndex && child.platform == nil {
            if let found = try await self.child(of: child, for: platform, from: reader, depth: depth + 1, &known) {
                return found
            }
        }
        return nil
    }
}

private struct GraphWalk<Reader: ManifestReader> {
    let reader: Reader
    let platforms: [Platform]
    let followsReferrers: Bool
    let isWanted: @Sendable (Descriptor) -> Bool
    var graph = GraphParts()
    private var sizes: [Digest: Int64] = [:]
    private var manifestsSeen: Set<Digest> = []
    private var blobsSeen: Set<Digest> = []
    /// What indexes offer, and which of the platforms asked for are among it.
    private var known: [Platform] = []
    private var found: Set<Platform> = []

    init(
        reader: Reader, platforms: [Platform], followsReferrers: Bool,
        isWanted: @escaping @Sendable (Descriptor) -> Bool
    ) {
        self.reader = reader
        self.platforms = platforms
        self.followsReferrers = followsReferrers
        self.isWanted = isWanted
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
            for child in chosen(children) {
                if child.mediaType.isManifest {
                    try await visitManifest(child, depth: depth + 1)
                } else {
                    try visitBlob(child)
                }
            }
        }
        graph.manifests.append(manifest.descriptor.bare)
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
            graph.blobs.append(blob.bare)
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

    /// Of an image that has platforms, those asked for have to be there.
    func checkPlatforms() throws(OCIError) {
        guard platforms.count > 1, graph.root.mediaType.isIndex,
            let missing = platforms.first(where: { !found.contains($0) })
        else { return }
        throw OCIError(
            .notFound, "\(graph.root.digest.short) has no image for \(missing)",
            advice: "one of " + known.map(\.description).joined(separator: ", "))
    }

    /// The children for the platforms asked for, with their attestations, and indexes that do not say what for.
    private mutating func chosen(_ children: [Descriptor]) -> [Descriptor] {
        guard platforms.count > 1 else { return children }
        let wanted = Set(
            children.filter { child in
                guard let platform = child.platform, !platform.isUnknown else { return false }
                return platforms.contains { $0.matches(platform) }
            }.map(\.digest))
        known += children.compactMap(\.platform).filter { !$0.isUnknown }
        found.formUnion(
            platforms.filter { platform in children.contains { $0.platform.map(platform.matches) ?? false } })
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
