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
    public var damagedImages: [String] { Set(findings.flatMap(\.images)).sorted() }

    /// The most findings that are listed; the last one then says so.
    static let findingLimit = 10_000

    init(path: String, format: ArchiveFormat) {
        self.path = path
        self.format = format
    }

    mutating func count(_ map: ArchiveMap) {
        imageCount = map.contents.images.count
        blobCount = map.contents.blobs.count
        byteCount = map.contents.blobs.reduce(0) { $0 + $1.size }
    }

    mutating func add(_ kind: FailureKind, at place: String, _ detail: String, images: [String] = []) {
        guard findings.count <= ArchiveReport.findingLimit else { return }
        if findings.count == ArchiveReport.findingLimit {
            findings.append(.init(kind: kind, place: "archive", detail: "more is wrong than is listed", images: []))
        } else {
            findings.append(.init(kind: kind, place: place, detail: detail, images: images))
        }
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
