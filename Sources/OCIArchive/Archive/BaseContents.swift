import NIOCore
import OCI

/// What a delta builds on: nothing of it is needed but the names of what it has.
public struct BaseContents: Sendable {
    public let base: ArchiveBase
    /// With media type, digest and size only.
    let images: Set<NamedImage>
    let blobs: Set<Digest>

    /// - Parameters:
    ///   - images: what it has under which names.
    ///   - blobs: all manifests, configs and layers, also those that it has from what it builds on itself.
    public init(_ base: ArchiveBase, images: [NamedImage], blobs: some Sequence<Digest>) {
        self.base = base
        self.images = Set(images.map(\.bare))
        self.blobs = Set(blobs)
    }

    /// Reads an archive, one of its volumes, or a `lifeboat/contents` that was taken out of it.
    ///
    /// - Throws: `ArchiveError` `.usage` for an archive that others wrote, which has no id to build on; what opening
    ///   throws; `FileError`.
    public static func read(_ path: String, _ opening: ArchiveOpening = ArchiveOpening()) async throws -> BaseContents {
        let path = try await VolumeSearch(opening.fileSystem).file(for: path)
        let (file, isPipe) = try await openForReading(path, opening.fileSystem)
        guard !isPipe else {
            try await file.close()
            throw ArchiveError.usage("standard input is a pipe, want the file of what the delta builds on")
        }
        return try await closing(file) { try await read(file, path, opening) }
    }

    private static func read(_ file: any File, _ path: String, _ opening: ArchiveOpening) async throws -> BaseContents {
        let head = try await file.head(isPipe: false)
        let status = try await file.status()
        let name = shown(path, limit: 1000)
        let (contents, id): (ArchiveContents, Digest)
        // Of contents that were taken out of an archive the file says when that was done.
        var time: Int64?
        if head.getInteger(at: head.readerIndex, as: UInt8.self) == UInt8(ascii: "{") {
            var reader = ArchiveContentsReader(archive: name)
            try await file.forEachChunk(from: 0, count: status.size) { try reader.take($0) }
            (contents, id) = try reader.finish()
        } else {
            // Opened as for reading, so that nothing is built on an archive that is cut off.
            _ = try await openFile(path, opening)
            let stream = ArchiveStream.open(file, head: head, isPipe: false, limits: opening.limits)
            guard let front = try await ArchiveFront.read(TarStream(stream, archive: name)) else {
                throw ArchiveError.usage(
                    "\(name) was not written by Lifeboat, so it has no id that a delta could name",
                    advice: "lifeboat export \(name) --to base.tar, and build on that")
            }
            (contents, id) = (front.map.contents, front.map.id)
            time = status.modified / 1_000_000_000
        }
        let base = ArchiveBase(
            id: contents.lineage.volume?.whole ?? id,
            // Volumes are found by the name that they have together.
            name: lastComponent(of: contents.lineage.volume == nil ? path : VolumeName(parsing: path)?.archive ?? path),
            time: time)
        return BaseContents(base, images: contents.images, blobs: contents.blobs.map(\.digest))
    }
}

/// The name of a file without its folder.
func lastComponent(of path: String) -> String {
    path.lastIndex(of: "/").map { String(path[path.index(after: $0)...]) } ?? path
}
