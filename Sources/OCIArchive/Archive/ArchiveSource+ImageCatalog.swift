import OCI

extension ArchiveSource: ImageCatalog {
    public var name: String { path }

    public func images() -> [NamedImage] { named }

    public func repositories() -> [RepositoryName] { Set(named.map(\.repository)).sorted() }

    public func source(_ repository: RepositoryName) throws -> any ImageSource {
        let images = try RepositoryImages(named, of: repository, in: path)
        return ArchiveRepository(archive: self, images: images)
    }
}

/// The images of one repository of an archive.
struct RepositoryImages: Sendable {
    let repository: RepositoryName
    let archive: String
    private let images: [NamedImage]

    /// - Throws: `ArchiveError` `.notFound` if there are none.
    init(_ all: [NamedImage], of repository: RepositoryName, in archive: String) throws {
        images = all.filter { $0.repository == repository }
        self.repository = repository
        self.archive = archive
        guard !images.isEmpty else {
            throw ArchiveError(
                .notFound, "\(archive) has no repository \(repository)", advice: "lifeboat list \(archive)")
        }
    }

    var name: String { "\(archive) (\(repository))" }

    var tags: [Tag] { Set(images.compactMap(\.tag)).sorted() }

    func resolve(_ tag: Tag) throws -> Descriptor {
        let found = Set(images.filter { $0.tag == tag }.map(\.descriptor.digest))
        guard found.count <= 1 else {
            throw ArchiveError(
                .conflict, "\(repository):\(tag) stands for \(found.count) images in \(archive), of several registries")
        }
        guard let image = images.first(where: { $0.tag == tag }) else {
            throw ArchiveError(
                .notFound, "\(archive) has no image \(repository):\(tag)", advice: "lifeboat list \(archive)")
        }
        return image.descriptor
    }

    func resolve(_ digest: Digest) -> Descriptor? {
        images.first { $0.descriptor.digest == digest }?.descriptor
    }
}
