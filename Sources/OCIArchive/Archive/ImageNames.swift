import OCI

/// What the images of a layout are called, by the annotations that its many writers use.
///
/// In this order: `io.containerd.image.name`; RepoTags of a manifest.json beside it; a ref.name with `/` or `:` in it;
/// else the ref.name is a tag, and whoever opens the layout must say of which repository.
struct ImageNames {
    private(set) var images: [NamedImage] = []
    private(set) var notes: [String] = []

    /// - Parameter manifest: reads a manifest of the layout; nil if it is not there.
    /// - Throws: `ArchiveError` `.usage` if an image has no repository and there is no `defaultRepository`.
    init(
        _ index: ArchiveIndex, repoTags: [Digest: [String]], defaultRepository: RepositoryName?, archive: String,
        manifest: (Descriptor) async throws -> Manifest?
    ) async throws {
        for entry in index.manifests {
            let bare = Descriptor(mediaType: entry.mediaType, digest: entry.digest, size: entry.size)
            let refName = entry.annotations[ArchiveNames.refName]
            if let name = entry.annotations[ArchiveNames.imageName], let image = ImageNames.parsed(name, bare) {
                images.append(image)
                continue
            }
            let content = try await manifest(entry)
            if case .image(let config?, _)? = content?.kind, let names = repoTags[config.digest], !names.isEmpty {
                images += names.compactMap { ImageNames.parsed($0, bare) }
                continue
            }
            if let refName, refName.contains("/") || refName.contains(":"),
                let image = ImageNames.parsed(refName, bare)
            {
                images.append(image)
                continue
            }
            // A signature or SBOM needs no name: it belongs to what it refers to.
            if refName == nil, content?.subject != nil { continue }
            guard let defaultRepository else {
                throw ArchiveError.usage(
                    "\(archive) does not say which repository "
                        + (refName.map { "'\(shown($0, limit: 200))'" } ?? entry.digest.short) + " belongs to",
                    advice: "--repository NAME")
            }
            images.append(
                NamedImage(
                    registry: nil, repository: defaultRepository, tag: tag(refName, entry), descriptor: bare))
        }
    }

    private mutating func tag(_ refName: String?, _ entry: Descriptor) -> Tag? {
        guard let refName else { return nil }
        do {
            return try Tag(refName)
        } catch {
            notes.append("'\(shown(refName, limit: 200))' is no tag, so \(entry.digest.short) is kept by digest only")
            return nil
        }
    }

    /// `[registry/]repository:tag` or `[registry/]repository@digest`; without a host there is no registry.
    static func parsed(_ name: String, _ descriptor: Descriptor) -> NamedImage? {
        do {
            let first = name.split(separator: "/", maxSplits: 1).first ?? ""
            let hasHost = name.contains("/") && Reference.isHost(first)
            // A host in front keeps Docker Hub's defaults away from names that have none.
            let reference = try Reference(parsing: hasHost ? name : "localhost/" + name)
            return NamedImage(
                registry: hasHost ? reference.registry : nil, repository: reference.repository,
                tag: reference.digest == nil ? reference.tag ?? .latest : reference.tag, descriptor: descriptor)
        } catch {
            return nil
        }
    }

    static func listsReferrers(_ refName: String) -> Bool {
        do { return try Tag(refName).listsReferrers } catch { return false }
    }
}
