import NIOCore
import OCI

/// An archive in the older form of `docker save`: manifest.json, a config and a tar for each layer.
///
/// It is read as OCI images: a manifest is made for each, the config's bytes and the layers stay as they are. The
/// layers are hashed once, when it is opened, and must be what the config says (`rootfs.diff_ids`).
public struct DockerArchive: Sendable {
    /// The largest `manifest.json` that is read.
    static let listLimit: Int64 = 20 << 20
    /// The largest config that is read.
    static let configLimit: Int64 = 16 << 20

    public let path: String
    let file: any File
    let named: [NamedImage]
    let manifests: [Digest: Manifest]
    let places: [Digest: ArchiveSource.Place]

    /// Opens an archive whose entries are listed already; fits `ArchiveOpening.docker`.
    ///
    /// - Parameter defaultRepository: the repository of images without a name.
    /// - Throws: `ArchiveError` or `OCIError` `.damaged` with the reason, `.usage` for an image without a name.
    public static func open(_ listing: ArchiveListing, _ file: any File, _ defaultRepository: RepositoryName?)
        async throws -> any ImageCatalog
    {
        var reading = DockerArchiveReading(listing: listing, file: file, defaultRepository: defaultRepository)
        try await reading.readImages()
        return DockerArchive(
            path: listing.archive, file: file,
            named: reading.named.sorted {
                ($0.registry ?? "", $0.repository, $0.tag?.description ?? "")
                    < ($1.registry ?? "", $1.repository, $1.tag?.description ?? "")
            },
            manifests: reading.manifests, places: reading.places)
    }
}

extension DockerArchive: ImageCatalog {
    public var name: String { path }

    public func images() async throws -> [NamedImage] { named }
    public func repositories() async throws -> [RepositoryName] { Set(named.map(\.repository)).sorted() }
    public func source(_ repository: RepositoryName) async throws -> any ImageSource {
        DockerArchiveRepository(archive: self, repository: repository)
    }
}
