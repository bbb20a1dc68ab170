import NIOCore
import OCI

/// One repository of a layout folder. Its blobs are those of all repositories of the folder.
struct LayoutRepository: Sendable {
    let layout: Layout
    let repository: RepositoryName

    init(_ layout: Layout, _ repository: RepositoryName) {
        self.layout = layout
        self.repository = repository
    }

    var name: String { "\(shown(layout.path, limit: 1000)) (\(repository))" }
    var folder: LayoutFolder { layout.folder }

    /// What the list says of a tag.
    func listed(_ tag: Tag) async throws -> Descriptor? {
        let entries = try await layout.catalog.current().repositories[repository]?.tags[tag] ?? []
        guard let first = entries.first else { return nil }
        guard entries.allSatisfy({ $0.descriptor.digest == first.descriptor.digest }) else {
            throw layout.ambiguous(repository, tag, entries)
        }
        return first.descriptor.bare
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
