import OCI

/// What an archive is part of: what a delta builds on, and which volume of how many it is.
///
/// Both nil for an archive that stands by itself.
public struct ArchiveLineage: Sendable, Hashable {
    public internal(set) var base: ArchiveBase?
    public internal(set) var volume: VolumeNumber?

    init(base: ArchiveBase? = nil, volume: VolumeNumber? = nil) {
        self.base = base
        self.volume = volume
    }

    var isWhole: Bool { base == nil && volume == nil }
}

/// What a delta builds on, as its writer knew it.
public struct ArchiveBase: Sendable, Hashable {
    /// The id of an archive's contents (of all its volumes together, if it has several), or of a backup.
    public let id: Digest
    /// What it was called: the name of its file, for people.
    public let name: String
    /// When it was written, in seconds since 1970, as far as that is known.
    public let time: Int64?

    public init(id: Digest, name: String, time: Int64?) {
        self.id = id
        self.name = name
        self.time = time
    }

    /// What to do where it is lacking.
    var advice: String {
        guard !name.hasPrefix(ArchiveBase.backupPrefix) else {
            return "restore that backup first, or give the set that has it: --base SET/"
        }
        return "import \(shown(name, limit: 200)) first, or give it too: --base \(shown(name, limit: 200))"
    }

    /// How the names of backups begin, which are no files.
    public static let backupPrefix = "backup "

    /// The name, the id, and when it was written.
    public var description: String {
        "\(shown(name, limit: 200)) (\(id)" + (time.map { ", of \(Moment($0))" } ?? "") + ")"
    }
}

/// Which volume of a divided archive this is.
public struct VolumeNumber: Sendable, Hashable {
    /// From 1 to `count`.
    public let number: Int
    public let count: Int
    /// The id of volume 1; nil in volume 1 itself.
    public let first: Digest?
    /// The id that the same archive would have undivided.
    public let whole: Digest

    public init(number: Int, count: Int, first: Digest?, whole: Digest) {
        self.number = number
        self.count = count
        self.first = first
        self.whole = whole
    }

    /// The most volumes of one archive.
    public static let countLimit = 999
}

/// Where the parts of an image are, if not all of them are in the archive that lists it.
struct ImageNeeds: Sendable, Hashable {
    /// Whether some of it is in what the archive builds on.
    var base = false
    /// The volumes that hold some of it, ascending; none where the archive is not divided.
    var volumes: [Int] = []
}
