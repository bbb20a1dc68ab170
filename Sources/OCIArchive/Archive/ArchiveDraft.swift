import OCI

/// What an archive of some images will hold, before it is known how many files it is and what their fronts are.
struct ArchiveDraft: Sendable {
    /// Without the files of the front.
    var contents = ArchiveContents()
    /// Configs and layers as the manifests describe them: the last of `contents.blobs`.
    let blobs: [Descriptor]
    /// The images of the contents, each with what belongs to it.
    let images: [PlannedImage]
    /// The same with those that were asked for twice, in order.
    let all: [PlannedImage]

    init(
        _ images: [PlannedImage], since base: BaseContents?,
        reading manifest: @Sendable (Digest) async throws -> Manifest
    ) async throws {
        let sorted = images.sorted { $0.image.precedes($1.image) }
        var walk = PlanWalk()
        for planned in sorted { try await walk.visit(planned.graph, .manifests, manifest) }
        for planned in sorted { try await walk.visit(planned.graph, .blobs, manifest) }
        all = sorted
        self.images = try ArchiveDraft.unique(sorted)
        contents.images = self.images.map(\.image.bare)
        contents.blobs = walk.manifests + (walk.configs + walk.layers).map(\.archived)
        contents.omitted = walk.omitted.subtracting(contents.blobs.map(\.digest)).sorted()
        blobs = (walk.configs + walk.layers).map(\.descriptor)
        if let base { build(on: base, sorted) }
    }

    private static func unique(_ images: [PlannedImage]) throws -> [PlannedImage] {
        var result: [PlannedImage] = []
        for planned in images {
            let image = planned.image
            guard let last = result.last?.image, last.hasName(of: image) else {
                result.append(planned)
                continue
            }
            if last.descriptor.digest == image.descriptor.digest { continue }
            guard image.tag == nil else {
                throw ArchiveError.usage(
                    "\(image.fullName) stands for two images, \(last.descriptor.digest.short) and "
                        + image.descriptor.digest.short)
            }
            result.append(planned)
        }
        return result
    }

    /// Leaves to the base what it has.
    ///
    /// But an image that the base does not have under this name keeps all of its manifests here, so that it can be named
    /// anew wherever its layers are.
    private mutating func build(on base: BaseContents, _ images: [PlannedImage]) {
        var kept: Set<Digest> = []
        for planned in images {
            let manifests = planned.graph.manifests.map(\.digest)
            if !base.images.contains(planned.image.bare) || !manifests.allSatisfy(base.blobs.contains) {
                kept.formUnion(manifests)
            }
        }
        contents.lineage.base = base.base
        for number in contents.blobs.indices {
            let digest = contents.blobs[number].digest
            contents.blobs[number].isInBase = base.blobs.contains(digest) && !kept.contains(digest)
        }
        let inBase = Set(contents.blobs.filter(\.isInBase).map(\.digest))
        contents.needs = self.images.map { planned in
            ImageNeeds(base: planned.parts.contains { inBase.contains($0.digest) })
        }
    }
}

extension PlannedImage {
    /// Every manifest and blob of the image.
    var parts: [Descriptor] { graph.manifests + graph.blobs }
}

extension NamedImage {
    /// The same image with nothing but media type, digest and size.
    var bare: NamedImage {
        var image = self
        image.descriptor = Descriptor(
            mediaType: descriptor.mediaType, digest: descriptor.digest, size: descriptor.size)
        return image
    }
}
