import OCI

/// One open file of an archive of ours.
enum ArchivePart: Sendable {
    case source(ArchiveSource, ArchiveMap)
    case stream(SequentialArchive)

    /// Nil for what others wrote.
    init?(_ catalog: any ImageCatalog) {
        if let source = catalog as? ArchiveSource, case .planned(let map) = source.blobs {
            self = .source(source, map)
        } else if let stream = catalog as? SequentialArchive {
            self = .stream(stream)
        } else {
            return nil
        }
    }

    var map: ArchiveMap {
        switch self {
        case .source(_, let map): map
        case .stream(let stream): stream.map
        }
    }

    /// The number of the volume that this is of the same archive as another; nil if it is of another one.
    func fits(_ other: ArchivePart) -> Int? {
        let (mine, theirs) = (map.contents.lineage, other.map.contents.lineage)
        guard let volume = mine.volume, let known = theirs.volume, volume.count == known.count,
            volume.whole == known.whole, mine.base == theirs.base,
            volume.first ?? map.id == known.first ?? other.map.id
        else { return nil }
        return volume.number
    }
}

/// The open files of one archive, what it builds on, and what is lacking.
public struct ArchiveParts: Sendable {
    /// As it was opened.
    let path: String
    /// What all of its files list.
    let contents: ArchiveContents
    /// The id that the archive has, or would have undivided.
    let id: Digest
    /// Volumes that were not found or cannot be read, and what is wrong with each.
    var absent: [Int: Absence] = [:]

    static let volumeAdvice =
        "bring that volume again, beside the others; what is complete without it can be used"

    struct Absence: Sendable, Hashable {
        let reason: String
        /// Whether the file is there, and damaged.
        var isDamaged = false
    }

    /// Worth knowing and not wrong.
    private(set) var notes: [String] = []
    /// Files that can be read from any place in them.
    private(set) var sources: [ArchiveSource] = []
    /// Files that can only be read in order.
    private(set) var streams: [SequentialArchive] = []
    /// What a delta builds on, if it is no archive of ours; by digest.
    private(set) var stores: [any RandomAccessSource] = []
    /// What was given as what it builds on, as messages call it.
    private(set) var bases: [String] = []
    private var numbers: Set<Int> = []
    private let listed: [Digest: Int]
    /// Where each image stands in the contents; of deltas and volumes only.
    private let imageNumbers: [NamedImage: Int]

    /// - Parameter called: the name of the file, where it is not what it should be.
    init(_ first: ArchivePart, path: String, called name: String? = nil) {
        self.path = shown(path, limit: 1000)
        contents = first.map.contents
        id = contents.lineage.volume?.whole ?? first.map.id
        var listed: [Digest: Int] = [:]
        listed.reserveCapacity(contents.blobs.count)
        for (number, blob) in contents.blobs.enumerated() { listed[blob.digest] = number }
        self.listed = listed
        imageNumbers =
            contents.needs.isEmpty
            ? [:]
            : Dictionary(
                zip(contents.images, contents.images.indices), uniquingKeysWith: { first, _ in first })
        add(first, as: contents.lineage.volume?.number ?? 1, called: name)
    }

    func has(_ number: Int) -> Bool { numbers.contains(number) }

    /// - Parameter name: of its file, where it is not what it should be.
    mutating func add(_ part: ArchivePart, as number: Int, called name: String?) {
        guard numbers.insert(number).inserted else { return }
        switch part {
        case .source(let source, _): sources.append(source)
        case .stream(let stream): streams.append(stream)
        }
        if let name, let count = contents.lineage.volume?.count {
            notes.append("volume \(number) of \(count) is called \(shown(name, limit: 1000))")
        }
    }

    /// The files that are open.
    var paths: [String] { sources.map(\.path) + streams.map(\.path) }

    /// Adds what the archive builds on, or something that has its blobs.
    mutating func add(base catalog: any ImageCatalog) async throws {
        bases.append(catalog.name)
        if let linked = catalog as? any LinkedArchive {
            sources += linked.parts.sources
            streams += linked.parts.streams
            stores += linked.parts.stores
            bases += linked.parts.bases
        } else if let part = ArchivePart(catalog) {
            switch part {
            case .source(let source, _): sources.append(source)
            case .stream(let stream): streams.append(stream)
            }
        } else if let repository = try await catalog.repositories().first {
            guard let source = try await catalog.source(repository) as? any RandomAccessSource else {
                throw ArchiveError.usage(
                    "\(catalog.name) cannot be what a delta builds on: its blobs cannot be looked up by digest",
                    advice: "lifeboat export \(catalog.name) --to base.tar, and give that")
            }
            stores.append(source)
        }
    }

    /// A blob as the contents list it.
    func blob(_ digest: Digest) -> ArchivedBlob? { listed[digest].map { contents.blobs[$0] } }

    /// Whether a blob that is listed can be had in no other way than in its turn.
    func isStreamed(_ digest: Digest) -> Bool { streams.contains { $0.map.slotNumbers[digest] != nil } }

    /// Why an image cannot be had as a whole; nil if nothing is known to be lacking.
    func lack(of image: NamedImage) -> ArchiveError? {
        guard let number = imageNumbers[image.bare] else { return nil }
        let needs = contents.needs[number]
        if let volume = needs.volumes.first(where: { absent[$0] != nil }) { return absence(ofVolume: volume) }
        return needs.base && bases.isEmpty ? absenceOfBase() : nil
    }

    /// Why a blob that belongs to an image is not to be had.
    func absence(of digest: Digest) -> ArchiveError {
        guard let blob = blob(digest) else {
            return .damaged(
                "\(path) lacks \(digest), to which an image in it points",
                advice: "--platform, if it holds some platforms of an image only")
        }
        if blob.isInBase { return absenceOfBase() }
        if let volume = blob.volume, absent[volume] != nil { return absence(ofVolume: volume) }
        return .damaged("\(path) lacks \(digest), which it lists")
    }

    private func absenceOfBase() -> ArchiveError {
        let base = contents.lineage.base?.description ?? "another archive"
        let advice = contents.lineage.base?.advice
        if bases.isEmpty {
            return ArchiveError(
                .notFound, "\(path) builds on \(base), which was not given, and the image needs it",
                advice: advice)
        }
        return ArchiveError(
            .notFound,
            "\(path) builds on \(base), and the image needs something of it that \(bases.joined(separator: ", ")) "
                + (bases.count == 1 ? "does not have" : "do not have"),
            advice: advice)
    }

    private func absence(ofVolume number: Int) -> ArchiveError {
        let count = contents.lineage.volume?.count ?? number
        return ArchiveError(
            .notFound,
            "the image needs volume \(number) of \(count): \(absent[number]?.reason ?? "it is missing")",
            advice: ArchiveParts.volumeAdvice)
    }
}
