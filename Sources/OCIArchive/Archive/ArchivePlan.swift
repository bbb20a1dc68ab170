import NIOCore
import OCI

/// Exactly what an archive of some images will be, before the first byte of it is written.
public struct ArchivePlan: Sendable {
    let map: ArchiveMap
    let index: ByteBuffer
    let contents: ByteBuffer
    /// Configs and layers, in the order of the archive, as the manifests describe them.
    public let blobs: [Descriptor]

    /// The sha256 of the archive's contents: equal ids mean equal archives.
    public var id: Digest { map.id }
    /// Bytes of the whole tar, unfiltered.
    public var size: Int64 { map.size }

    /// - Parameters:
    ///   - images: in any order; one that stands twice counts once.
    ///   - manifest: reads one of the manifests of their graphs.
    /// - Throws: `ArchiveError` `.usage` if one name stands for two images, `.policy` above the limit of entries,
    ///   `.damaged` if a blob is said to have two sizes; and what `manifest` throws.
    public init(
        _ images: [PlannedImage], archive: String, reading manifest: @Sendable (Digest) async throws -> Manifest
    ) async throws {
        let sorted = images.sorted { $0.image.precedes($1.image) }
        var walk = PlanWalk()
        for planned in sorted { try await walk.visit(planned.graph, .manifests, manifest) }
        for planned in sorted { try await walk.visit(planned.graph, .blobs, manifest) }
        var contents = ArchiveContents()
        contents.images = try ArchivePlan.unique(sorted.map(\.image))
        contents.blobs = walk.manifests + (walk.configs + walk.layers).map(\.archived)
        contents.omitted = walk.omitted.subtracting(contents.blobs.map(\.digest)).sorted()
        index = ArchivePlan.indexBytes(of: contents)
        contents.files = [
            .init(
                name: ArchiveNames.layout, size: Int64(ArchiveNames.layoutBytes.readableBytes),
                digest: Digest(of: ArchiveNames.layoutBytes)),
            .init(name: ArchiveNames.index, size: Int64(index.readableBytes), digest: Digest(of: index)),
        ]
        self.contents = contents.encoded()
        blobs = (walk.configs + walk.layers).map(\.descriptor)
        map = try ArchiveMap(
            contents, id: Digest(of: self.contents), contentsSize: Int64(self.contents.readableBytes),
            archive: archive)
    }

    /// The first three entries.
    var front: ByteBuffer {
        var bytes = TarEntryBytes.whole(ArchiveNames.layout, ArchiveNames.layoutBytes)
        for (name, content) in [(ArchiveNames.index, index), (ArchiveNames.contents, contents)] {
            bytes.writeImmutableBuffer(TarEntryBytes.whole(name, content))
        }
        return bytes
    }

    static func unique(_ images: [NamedImage]) throws -> [NamedImage] {
        var result: [NamedImage] = []
        for var image in images {
            image.descriptor = Descriptor(
                mediaType: image.descriptor.mediaType, digest: image.descriptor.digest, size: image.descriptor.size)
            guard let last = result.last, last.hasName(of: image) else {
                result.append(image)
                continue
            }
            if last.descriptor.digest == image.descriptor.digest { continue }
            guard image.tag == nil else {
                throw ArchiveError.usage(
                    "\(image.fullName) stands for two images, \(last.descriptor.digest.short) and "
                        + image.descriptor.digest.short)
            }
            result.append(image)
        }
        return result
    }

    /// `index.json`: the images by name, then whatever refers to one of their manifests and has no name itself.
    static func indexBytes(of contents: ArchiveContents) -> ByteBuffer {
        let names = Dictionary(contents.images.map { ($0.name, 1) }, uniquingKeysWith: +)
        var entries = contents.images.map { image in
            var descriptor = image.descriptor
            let naming = ImageNaming(registry: image.registry, repository: image.repository, tag: image.tag)
            descriptor.annotations = naming.annotations
            if image.registry != nil { descriptor.annotations[ImageNaming.fullNameAnnotation] = image.fullName }
            // The short name is what people type; where two registries share it, it would be ambiguous.
            if image.tag != nil, names[image.name] != 1 {
                descriptor.annotations[ImageNaming.referenceAnnotation] = image.fullName
            }
            return descriptor.json
        }
        let named = Set(contents.images.map(\.descriptor.digest))
        let referrers = contents.blobs.filter { $0.subject != nil && !named.contains($0.digest) }
        entries += referrers.sorted { $0.digest < $1.digest }.map(\.descriptor.json)
        let json = JSONValue.object([
            "schemaVersion": .number(2), "mediaType": .string(MediaType.ociIndex.rawValue),
            "manifests": .array(entries),
        ])
        return ByteBuffer(string: json.text)
    }
}

extension NamedImage {
    /// With the registry in front, where it is known.
    public var fullName: String { (registry.map { $0 + "/" } ?? "") + name }

    func hasName(of other: NamedImage) -> Bool {
        registry == other.registry && repository == other.repository && tag == other.tag
    }

    /// The order of archives: registry, repository, tag, digest.
    public func precedes(_ other: NamedImage) -> Bool {
        if registry != other.registry { return (registry ?? "") < (other.registry ?? "") }
        if repository != other.repository { return repository < other.repository }
        if tag != other.tag { return (tag?.description ?? "") < (other.tag?.description ?? "") }
        return descriptor.digest < other.descriptor.digest
    }
}
