import NIOCore
import NIOPosix
import OCI

/// Images in a folder: an OCI image layout (image specification, image-layout.md) with any number of repositories.
///
/// `index.json` names each image `repository:tag`; a blob is stored once, whatever repositories have it. Anybody may
/// read the folder at any time: blobs get their names when complete, and the list is replaced as a whole.
public struct Layout: Sendable {
    static let marker = #"{"imageLayoutVersion":"1.0.0"}"#
    private static let markerSizeLimit: Int64 = 64 << 10

    public let path: String
    let folder: LayoutFolder
    let catalog: LayoutCatalog
    let uploads: LayoutUploads
    let subjects: LayoutSubjects
    /// The registry that the images written here are said to come from.
    let registry: String?

    private init(_ folder: LayoutFolder, catalog: LayoutCatalog, registry: String?) {
        path = folder.path
        self.folder = folder
        self.catalog = catalog
        self.registry = registry
        uploads = LayoutUploads(folder)
        subjects = LayoutSubjects(folder)
    }
}

extension Layout {
    /// Opens a layout to read it.
    ///
    /// - Parameter defaultRepository: the repository of images for which the layout gives a tag only, or no name.
    /// - Throws: `ArchiveError` `.damaged` for a folder that is no layout, `.notFound` if there is none; `FileError`.
    public static func open(
        _ path: String, defaultRepository: RepositoryName? = nil, surroundings: Surroundings,
        files: any FileSystem = LocalFileSystem()
    ) async throws -> Layout {
        let folder = LayoutFolder(path: path, files: files, surroundings: surroundings)
        guard try await files.status(path, followLinks: true) != nil else {
            throw ArchiveError(.notFound, "there is no folder \(shown(path))", advice: "check the path")
        }
        try await checkMarker(of: folder)
        try await folder.checkFolders()
        let catalog = LayoutCatalog(
            folder: folder, defaultRepository: defaultRepository, isGathering: false, isWritable: false)
        _ = try await catalog.current()
        return Layout(folder, catalog: catalog, registry: nil)
    }

    /// Opens a layout to write to it too; one that does not exist begins with its first image.
    ///
    /// - Parameters:
    ///   - registry: where the images written here come from, for their full names.
    ///   - gathering: whether `push` may return before the list of images is written. Many images then cost few
    ///     writes of the list, and `flush` must be called before success is reported.
    /// - Throws: as `open`; `ArchiveError` `.conflict` for a folder that holds other things.
    public static func create(
        _ path: String, defaultRepository: RepositoryName? = nil, registry: String? = nil, gathering: Bool = false,
        surroundings: Surroundings, files: any FileSystem = LocalFileSystem()
    ) async throws -> Layout {
        let folder = LayoutFolder(path: path, files: files, surroundings: surroundings)
        if try await files.status(path, followLinks: true) != nil {
            let names = try await files.list(path)
            // A write that was cut off leaves blobs, then also a list, and the marker last.
            let unfinished = ["blobs", "index.json", "lifeboat-tmp"]
            if names.contains("oci-layout") {
                try await checkMarker(of: folder)
            } else if let other = names.first(where: { !unfinished.contains($0) }) {
                throw ArchiveError(
                    .conflict, "\(shown(path)) is no OCI layout, and has other things in it, such as \(shown(other))",
                    advice: "give a new folder, an empty one, or an OCI layout")
            }
        }
        try await folder.prepare()
        try await folder.sweep()
        let catalog = LayoutCatalog(
            folder: folder, defaultRepository: defaultRepository, isGathering: gathering, isWritable: true)
        _ = try await catalog.current()
        if try await folder.status(folder.indexPath) != nil { try await folder.mark() }
        return Layout(folder, catalog: catalog, registry: registry)
    }

    /// Makes everything that was pushed so far visible and durable, and leaves nothing else in the folder.
    public func flush() async throws {
        try await catalog.flush()
        await uploads.discardIdle()
        try await folder.tidy()
    }

    private static func checkMarker(of folder: LayoutFolder) async throws {
        let place = folder.markerPath
        guard let (bytes, _) = try await folder.read(place, upTo: markerSizeLimit) else {
            throw ArchiveError(
                .damaged, "\(shown(folder.path)) is not an OCI layout: it has no oci-layout file",
                advice: "give the folder that holds oci-layout and index.json")
        }
        let members = try JSONValue(parsing: bytes, in: shown(place)).object(shown(place))
        guard let version = try members["imageLayoutVersion"]?.string("\(shown(place)): imageLayoutVersion") else {
            throw ArchiveError(.damaged, "\(shown(place)) has no imageLayoutVersion")
        }
        guard version == "1.0.0" else {
            throw ArchiveError(
                .damaged, "\(shown(place)) is of version \(shown(version, limit: 40)), want 1.0.0",
                advice: "use a newer lifeboat")
        }
    }
}
