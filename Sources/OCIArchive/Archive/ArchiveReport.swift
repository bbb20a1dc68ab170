import OCI

/// What the verification of an archive found.
public struct ArchiveReport: Sendable {
    public let path: String
    public let format: ArchiveFormat
    /// Nil if nothing could be made out.
    public internal(set) var flavor: ArchiveFlavor?
    /// The sha256 of its contents; archives of ours only.
    public internal(set) var id: Digest?
    /// Whether it ends with its seal. What others wrote never does.
    public internal(set) var isSealed = false
    /// What it builds on, and which volume it is.
    public internal(set) var lineage = ArchiveLineage()
    public internal(set) var imageCount = 0
    public internal(set) var blobCount = 0
    /// Bytes of the blobs.
    public internal(set) var byteCount: Int64 = 0
    /// Everything that is wrong, in the order of the archive; none means that every byte is as it should be.
    public internal(set) var findings: [ArchiveFinding] = []
    /// Worth knowing and not wrong.
    public internal(set) var notes: [String] = []

    public var isSound: Bool { findings.isEmpty }

    /// The images that lack something, by full name, sorted; all others are complete unless a finding is about the
    /// front or the whole archive.
    public var damagedImages: [String] { damaged.sorted() }

    private var damaged: Set<String> = []
    /// The images that its contents list, by full name; nil where nothing could be made out, or others wrote it.
    public private(set) var images: [String]?
    /// What each image needs besides this file; empty where all of it is here.
    private var needs: [(name: String, needs: ImageNeeds)] = []

    /// The most findings that are listed; the last one then says so.
    static let findingLimit = 10_000

    init(path: String, format: ArchiveFormat) {
        self.path = path
        self.format = format
    }

    mutating func count(_ map: ArchiveMap) {
        imageCount = map.contents.images.count
        images = map.contents.images.map(\.fullName)
        blobCount = map.blobs.count
        byteCount = map.blobs.reduce(0) { $0 + $1.size }
    }

    mutating func add(_ kind: FailureKind, at place: String, _ detail: String, images: [String] = []) {
        damaged.formUnion(images)
        guard findings.count <= ArchiveReport.findingLimit else { return }
        if findings.count == ArchiveReport.findingLimit {
            findings.append(.init(kind: kind, place: "archive", detail: "more is wrong than is listed", images: []))
        } else {
            findings.append(.init(kind: kind, place: place, detail: detail, images: images))
        }
    }

    /// The images of a delta or a volume that are complete in it and in other volumes; nil for whole archives.
    ///
    /// - Parameter volumes: the volumes that are there, and without damage as far as is known.
    public func complete(in volumes: Set<Int>) -> [String]? {
        guard !lineage.isWhole else { return nil }
        return needs.filter { !$0.needs.base && $0.needs.volumes.allSatisfy(volumes.contains) }.map(\.name)
    }

    /// The most images that a note names.
    static let namedLimit = 1000

    /// Says which images are complete although something is wrong elsewhere.
    ///
    /// - Parameter images: all of them, by full name.
    mutating func noteComplete(of images: [String]) {
        guard !isSound else { return }
        let complete = images.filter { !damaged.contains($0) }
        guard !complete.isEmpty else {
            notes.append("none of the \(images.count) images is complete")
            return
        }
        let more = complete.count - ArchiveReport.namedLimit
        notes.append(
            "\(complete.count) of \(images.count) images are complete: "
                + complete.prefix(ArchiveReport.namedLimit).joined(separator: ", ")
                + (more > 0 ? " and \(more) more" : ""))
    }

    /// Says what the archive is part of, and which of its images are complete in it.
    mutating func note(_ contents: ArchiveContents) {
        lineage = contents.lineage
        guard !lineage.isWhole else { return }
        needs = zip(contents.images.map(\.fullName), contents.needs).map { ($0, $1) }
        if let volume = lineage.volume {
            notes.append("volume \(volume.number) of \(volume.count), of \(volume.whole)")
        }
        if let base = lineage.base { notes.append("a delta: it builds on \(base.description)") }
        let complete = contents.images.indices.count { contents.isComplete($0) }
        let others =
            lineage.base == nil ? "the other volumes" : lineage.volume == nil ? "that" : "that or the other volumes"
        notes.append("\(complete) of \(contents.images.count) images are complete in it, the rest needs \(others)")
    }

    /// Counts images as damaged that lack what is behind the place where reading came to its end.
    mutating func addDamaged(_ images: some Sequence<String>) {
        damaged.formUnion(images)
    }

    mutating func add(_ failure: any Failure, at place: String, images: [String] = []) {
        add(failure.kind, at: place, failure.description, images: images)
    }

    /// Whether an error says something about the bytes of the archive, and not about the machine or the question.
    static func isFinding(_ failure: any Failure) -> Bool {
        switch failure.kind {
        case .damaged, .policy: true
        case .usage: failure is OCIError
        default: false
        }
    }
}

/// One thing that is wrong with an archive.
public struct ArchiveFinding: Sendable, Hashable {
    public let kind: FailureKind
    /// `blob sha256:…`, `front`, `seal`, `end`, or `archive` for all of it.
    public let place: String
    public let detail: String
    /// The images that lack something because of it, by full name.
    public let images: [String]
}
