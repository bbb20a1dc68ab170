import OCI

/// An archive that is one of several: a delta, or the volumes of one export.
///
/// It lists all of its images. What is not in its files comes from what it builds on, if that was given; else a target may
/// have it.
public protocol LinkedArchive: ImageCatalog, PartialSource {
    var lineage: ArchiveLineage { get }
    /// The id of its contents; of all volumes together that which they would have undivided.
    var id: Digest { get }
    /// Worth knowing and not wrong.
    var notes: [String] { get }
    /// What is wrong with volumes that were not found or cannot be read.
    var faults: [ArchiveError] { get }
    /// Why an image cannot be had as a whole from what was opened; nil if it can.
    func lack(of image: NamedImage) -> ArchiveError?
    /// The same archive with what it builds on: archives, folders or backups that have the blobs.
    func building(on bases: [any ImageCatalog]) async throws -> any LinkedArchive

    var parts: ArchiveParts { get }
    var referrers: ReferrerTable { get }
}

extension LinkedArchive {
    public var name: String { parts.path }
    public var lineage: ArchiveLineage { parts.contents.lineage }
    public var id: Digest { parts.id }
    public var notes: [String] { parts.notes }

    public var faults: [ArchiveError] {
        parts.absent.sorted { $0.key < $1.key }.map { .damaged($0.value.reason) }
    }

    public func lack(of image: NamedImage) -> ArchiveError? { parts.lack(of: image) }

    public func building(on bases: [any ImageCatalog]) async throws -> any LinkedArchive {
        var parts = parts
        for base in bases { try await parts.add(base: base) }
        return linked(parts)
    }

    /// Whether a blob stands in the files of the archive itself.
    public func isHere(_ blob: Digest) -> Bool {
        parts.isStreamed(blob)
            || parts.sources.contains { source in
                if case .planned(let map) = source.blobs { map.slotNumbers[blob] != nil } else { false }
            }
    }

    public func images() -> [NamedImage] { parts.contents.images }

    public func repositories() -> [RepositoryName] { Set(parts.contents.images.map(\.repository)).sorted() }

    public func source(_ repository: RepositoryName) throws -> any ImageSource {
        LinkedRepository(
            parts: parts, images: try RepositoryImages(parts.contents.images, of: repository, in: parts.path),
            referrers: referrers)
    }

    public func isElsewhere(_ blob: Digest) -> Bool { !parts.isStreamed(blob) }
}

/// What the files can do together.
func linked(_ parts: ArchiveParts) -> any LinkedArchive {
    parts.streams.isEmpty ? JoinedArchive(parts) : JoinedStreams(parts)
}
