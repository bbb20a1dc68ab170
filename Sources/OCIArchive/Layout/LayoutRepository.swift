import NIOCore
import OCI

/// One repository of a layout folder. Its blobs are those of all repositories of the folder.
struct LayoutRepository: Sendable {
    let layout: Layout
    let repository: RepositoryName
    /// Where the images that are meant came from; nil for wherever.
    let registry: String?
    /// Whether only images are meant that are said to come from there, or from nowhere where it is nil.
    let isExact: Bool

    init(_ layout: Layout, _ repository: RepositoryName, of registry: String? = nil, isExact: Bool = false) {
        self.layout = layout
        self.repository = repository
        self.registry = registry
        self.isExact = isExact
    }

    var name: String { "\(shown(layout.path, limit: 1000)) (\(repository))" }
    var folder: LayoutFolder { layout.folder }

    /// What the list says of a tag.
    func listed(_ tag: Tag) async throws -> Descriptor? {
        let tagged = try await entries(of: tag)
        let placed = tagged.filter { $0.naming.registry != nil }
        let entries = placed.isEmpty ? tagged : placed
        guard let first = entries.first else { return nil }
        guard entries.allSatisfy({ $0.descriptor.digest == first.descriptor.digest }) else {
            guard Set(entries.map(\.naming.registry)).count == entries.count else {
                throw layout.ambiguous(repository, tag, entries)
            }
            throw ArchiveError(
                .conflict,
                "\(tag) stands for several images in \(name), of "
                    + entries.compactMap(\.naming.registry).sorted().map { shown($0, limit: 300) }
                    .joined(separator: " and "))
        }
        return first.descriptor.bare
    }

    /// The entries of a tag that may be meant.
    func entries(of tag: Tag) async throws -> [LayoutIndex.Entry] {
        (try await layout.catalog.current().repositories[repository]?.tags[tag] ?? []).filter(isMeant)
    }

    /// Whether what is written is of one registry, and leaves alone what others have under the same name.
    var keepsOthers: Bool { isExact || registry != nil }

    func isMeant(_ entry: LayoutIndex.Entry) -> Bool {
        let origin = entry.naming.registry
        return isExact ? origin == registry : registry == nil || origin == nil || origin == registry
    }

    /// The manifest that a digest names; nil if no file of that name is here, or it is no manifest.
    func stored(_ digest: Digest) async throws -> Manifest? {
        guard let status = try await folder.status(of: digest), status.size <= Manifest.sizeLimit,
            let (bytes, _) = try await folder.read(folder.path(of: digest), upTo: Manifest.sizeLimit)
        else { return nil }
        let got = Digest(of: bytes, algorithm: digest.algorithm)
        guard got == digest else {
            throw ArchiveError(.damaged, "manifest \(digest) in \(shown(layout.path)) is damaged: its bytes are \(got)")
        }
        do {
            return try Manifest(
                bytes, mediaType: nil, algorithm: digest.algorithm, from: shown(layout.path, limit: 1000))
        } catch {
            // A layer or a config: here a manifest was asked for, so there is none.
            return nil
        }
    }
}

extension Descriptor {
    /// The descriptor without the names that a list gives it.
    var bare: Descriptor {
        var descriptor = self
        for name in [
            ImageNaming.referenceAnnotation, ImageNaming.fullNameAnnotation, ImageNaming.repositoryAnnotation,
        ] {
            descriptor.annotations[name] = nil
        }
        return descriptor
    }
}
