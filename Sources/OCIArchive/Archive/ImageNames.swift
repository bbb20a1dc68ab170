import OCI

/// What the images of a layout are called, by the annotations that its many writers use.
///
/// In this order: `io.containerd.image.name`; RepoTags of a manifest.json beside it; a ref.name with `/` or `:` in it;
/// else the ref.name is a tag, and whoever opens the layout must say of which repository.
struct ImageNames {
    private(set) var images: [NamedImage] = []
    private(set) var notes: [String] = []

    /// - Parameters:
    ///   - repoTags: names by the digest of an image's config.
    ///   - manifest: reads a manifest of the layout; nil if it is not there.
    /// - Throws: `ArchiveError` `.usage` if an image has no repository and there is no `defaultRepository`.
    init(
        _ index: LayoutIndex, repoTags: [Digest: [String]], defaultRepository: RepositoryName?, archive: String,
        manifest: (Descriptor) async throws -> Manifest?
    ) async throws {
        for entry in index.entries {
            let bare = Descriptor(
                mediaType: entry.descriptor.mediaType, digest: entry.descriptor.digest, size: entry.descriptor.size)
            if entry.naming.registry != nil, let repository = entry.naming.repository {
                images.append(
                    NamedImage(
                        registry: entry.naming.registry, repository: repository, tag: entry.naming.tag,
                        descriptor: bare))
                continue
            }
            let content = try await manifest(entry.descriptor)
            if case .image(let config?, _)? = content?.kind, let names = repoTags[config.digest], !names.isEmpty {
                images += names.compactMap { name in
                    ImageNaming(annotations: [ImageNaming.fullNameAnnotation: name]).image(bare)
                }
                continue
            }
            // A signature or SBOM needs no name: it belongs to what it refers to.
            let isNamed = entry.naming.repository != nil || entry.naming.tag != nil
            if !isNamed, content?.subject != nil { continue }
            // A layout folder gives it a repository; it is an image of its own only if what it refers to is elsewhere.
            if entry.naming.tag == nil, let subject = content?.subject, try await manifest(subject) != nil { continue }
            var naming = entry.naming
            naming.repository = naming.repository ?? defaultRepository
            guard let image = naming.image(bare) else {
                throw entry.unplaced(in: archive)
            }
            images.append(image)
            if !isNamed, let name = entry.descriptor.annotations[ImageNaming.referenceAnnotation] {
                notes.append("'\(shown(name, limit: 200))' is no name, so \(bare.digest.short) is kept by digest only")
            }
        }
    }
}

extension LayoutIndex.Entry {
    /// Why an image has no repository, and what to do.
    ///
    /// - Parameter place: how messages call the layout.
    func unplaced(in place: String) -> ArchiveError {
        let name =
            descriptor.annotations[ImageNaming.referenceAnnotation]
            ?? descriptor.annotations[ImageNaming.fullNameAnnotation]
        if naming.tag == nil, let name {
            return .usage(
                "\(place) calls \(descriptor.digest.short) '\(shown(name, limit: 200))', which is not the name of an "
                    + "image", advice: "--repository NAME, under which it is kept by digest")
        }
        return .usage(
            "\(place) does not say which repository "
                + (naming.tag.map { "'\($0)'" } ?? descriptor.digest.short) + " belongs to",
            advice: "--repository NAME")
    }
}

extension ImageNaming {
    /// The image of this name; nil where the name has no repository.
    func image(_ descriptor: Descriptor) -> NamedImage? {
        repository.map { NamedImage(registry: registry, repository: $0, tag: tag, descriptor: descriptor) }
    }
}
