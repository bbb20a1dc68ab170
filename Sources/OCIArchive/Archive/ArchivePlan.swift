import NIOCore
import OCI

/// Exactly what an archive of some images will be, before the first byte of it is written.
public struct ArchivePlan: Sendable {
    let map: ArchiveMap
    /// Configs and layers of this file, in the order of the archive, as the manifests describe them.
    public let blobs: [Descriptor]
    /// What is left to the archive or backup that a delta builds on.
    let inBase: Set<Digest>

    /// The sha256 of the archive's contents: equal ids mean equal archives.
    public var id: Digest { map.id }
    /// Bytes of the whole tar, unfiltered.
    public var size: Int64 { map.size }

    /// - Parameters:
    ///   - images: in any order; one that stands twice counts once.
    ///   - base: what a delta builds on; nil for a full archive.
    ///   - manifest: reads one of the manifests of their graphs.
    /// - Throws: `ArchiveError` `.usage` if one name stands for two images, `.policy` above the limit of entries,
    ///   `.damaged` if a blob is said to have two sizes; and what `manifest` throws.
    public init(
        _ images: [PlannedImage], archive: String, since base: BaseContents? = nil,
        reading manifest: @Sendable (Digest) async throws -> Manifest
    ) async throws {
        try self.init(try await ArchiveDraft(images, since: base, reading: manifest), archive: archive)
    }

    /// An archive that was written before.
    init(_ map: ArchiveMap) {
        self.map = map
        blobs = map.blobs[map.manifestCount...].map(\.descriptor)
        inBase = Set(map.contents.blobs.filter(\.isInBase).map(\.digest))
    }

    init(_ draft: ArchiveDraft, archive: String) throws {
        var contents = draft.contents
        contents.files = ArchivePlan.files(of: contents)
        let encoded = contents.encoded()
        map = try ArchiveMap(
            contents, id: Digest(of: encoded), contentsSize: Int64(encoded.readableBytes), archive: archive)
        blobs = zip(draft.contents.blobs.suffix(draft.blobs.count), draft.blobs).filter { contents.isHere($0.0) }
            .map(\.1)
        inBase = contents.lineage.base == nil ? [] : Set(contents.blobs.filter(\.isInBase).map(\.digest))
    }

    /// The first three entries.
    var front: ByteBuffer {
        var bytes = TarEntryBytes.whole(ArchiveNames.layout, ArchiveNames.layoutBytes)
        bytes.writeImmutableBuffer(TarEntryBytes.whole(ArchiveNames.index, ArchivePlan.indexBytes(of: map.contents)))
        bytes.writeImmutableBuffer(TarEntryBytes.whole(ArchiveNames.contents, map.contents.encoded()))
        return bytes
    }

    /// `oci-layout` and `index.json`, as the contents record them.
    static func files(of contents: ArchiveContents) -> [ArchiveContents.NamedFile] {
        let index = indexBytes(of: contents)
        return [
            .init(
                name: ArchiveNames.layout, size: Int64(ArchiveNames.layoutBytes.readableBytes),
                digest: Digest(of: ArchiveNames.layoutBytes)),
            .init(name: ArchiveNames.index, size: Int64(index.readableBytes), digest: Digest(of: index)),
        ]
    }

    /// `index.json`: the images that are complete here by name, then whatever refers to one of their manifests and has
    /// no name itself.
    static func indexBytes(of contents: ArchiveContents) -> ByteBuffer {
        let images = zip(contents.images.indices, contents.images).filter { contents.isComplete($0.0) }.map(\.1)
        let names = Dictionary(images.map { ($0.name, 1) }, uniquingKeysWith: +)
        var entries = images.map { image in
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
        let named = Set(images.map(\.descriptor.digest))
        let referrers = referrers(in: contents, of: named)
        entries += referrers.sorted { $0.digest < $1.digest }.map(\.descriptor.json)
        let json = JSONValue.object([
            "schemaVersion": .number(2), "mediaType": .string(MediaType.ociIndex.rawValue),
            "manifests": .array(entries),
        ])
        return ByteBuffer(string: json.text)
    }

    private static func referrers(in contents: ArchiveContents, of named: Set<Digest>) -> [ArchivedBlob] {
        let all = contents.blobs.filter { $0.subject != nil && !named.contains($0.digest) }
        if contents.lineage.isWhole { return all }
        // Of an image that is complete here, whatever refers to it is here too; a manifest stands behind what it
        // refers to.
        var complete = named
        return all.filter { blob in
            guard contents.isHere(blob), let subject = blob.subject, complete.contains(subject) else { return false }
            complete.insert(blob.digest)
            return true
        }
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
