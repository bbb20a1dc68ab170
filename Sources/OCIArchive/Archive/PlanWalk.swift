import OCI

/// Puts the manifests and blobs of images in the order of the archive.
///
/// The order follows from the images alone: children as their manifest lists them, referrers by digest, whatever the
/// order in which a registry listed them.
struct PlanWalk {
    struct Blob {
        let descriptor: Descriptor
        let role: ArchivedBlob.Role

        var archived: ArchivedBlob { ArchivedBlob(digest: descriptor.digest, size: descriptor.size, role: role) }
    }

    private(set) var manifests: [ArchivedBlob] = []
    private(set) var configs: [Blob] = []
    private(set) var layers: [Blob] = []
    private(set) var omitted: Set<Digest> = []
    private var sizes: [Digest: (size: Int64, image: Digest)] = [:]
    /// The root of the image that is being visited.
    private var image = Digest(of: [UInt8]())
    private var seen: Set<Digest> = []

    /// Manifests first, of all images: what is a manifest anywhere is one, also where another manifest calls it a layer.
    enum Pass { case manifests, blobs }

    mutating func visit(_ graph: ImageGraph, _ pass: Pass, _ read: (Digest) async throws -> Manifest) async throws {
        image = graph.root.digest
        let included = Set(graph.manifests.map(\.digest))
        var visited: Set<Digest> = []
        // Iterative, children before parents, what refers to a manifest after it.
        var stack: [(descriptor: Descriptor, manifest: Manifest?)] = [(graph.root, nil)]
        while let (descriptor, ready) = stack.popLast() {
            if let ready {
                switch pass {
                case .manifests: try add(ready)
                case .blobs: try addBlobs(of: ready)
                }
                let referrers = (graph.referrers[descriptor.digest] ?? []).sorted { $0.digest < $1.digest }
                stack += referrers.reversed().map { ($0, nil) }
                continue
            }
            guard included.contains(descriptor.digest) else {
                omitted.insert(descriptor.digest)
                continue
            }
            guard visited.insert(descriptor.digest).inserted else { continue }
            let manifest = try await read(descriptor.digest)
            stack.append((descriptor, manifest))
            if case .index(let children) = manifest.kind {
                stack += children.filter(\.mediaType.isManifest).reversed().map { ($0, nil) }
            }
        }
    }

    private mutating func add(_ manifest: Manifest) throws {
        let descriptor = manifest.descriptor
        guard try isNew(descriptor) else { return }
        manifests.append(
            ArchivedBlob(
                digest: descriptor.digest, size: descriptor.size, role: .manifest, mediaType: descriptor.mediaType,
                subject: manifest.subject?.digest))
    }

    private mutating func addBlobs(of manifest: Manifest) throws {
        switch manifest.kind {
        case .image(let config, let blobs):
            if let config { try add(config, as: .config) }
            for blob in blobs { try add(blob, as: .layer) }
        case .index(let children):
            for child in children where !child.mediaType.isManifest { try add(child, as: .layer) }
        }
    }

    private mutating func add(_ blob: Descriptor, as role: ArchivedBlob.Role) throws {
        if blob.isForeign {
            omitted.insert(blob.digest)
            return
        }
        guard try isNew(blob) else { return }
        if role == .config {
            configs.append(Blob(descriptor: blob, role: role))
        } else {
            layers.append(Blob(descriptor: blob, role: role))
        }
    }

    private mutating func isNew(_ descriptor: Descriptor) throws -> Bool {
        if let (size, root) = sizes.updateValue((descriptor.size, image), forKey: descriptor.digest),
            size != descriptor.size
        {
            throw ArchiveError.damaged(
                "the images to be archived contradict each other: \(root.short) gives \(descriptor.digest) \(size) "
                    + "bytes, \(image.short) \(descriptor.size)",
                advice: "lifeboat verify the store that they come from, and leave out the one that is wrong")
        }
        return seen.insert(descriptor.digest).inserted
    }
}
