import OCI

/// Something in a set that nobody of good will has done, or that a disk has.
public struct BackupAlarm: Sendable {
    public enum Kind: String, Sendable {
        /// A record or evidence names a backup that is neither there nor forgotten.
        case absent
        /// A record is not what its name or its seal says.
        case damagedRecord
        /// Evidence is not what its name says.
        case damagedEvidence
    }

    public var kind: Kind
    /// The backup, as far as it is known.
    public var backup: Digest?
    /// The file that is damaged, without its folder.
    public var file: String?
    public var description: String
    public var advice: String

    /// - Throws: `ArchiveError` `.damaged` that says it.
    func error() -> ArchiveError { .damaged(description, advice: advice) }
}

/// What a set has, and what is wrong with it.
public struct BackupSetState: Sendable {
    /// Oldest first.
    public var backups: [Backup] = []
    public var alarms: [BackupAlarm] = []
    /// Backups that somebody has read as a whole and found good, and when: seconds since 1970.
    public var verified: [Digest: Int64] = [:]
    /// Backups whose last verification found damage, and when.
    public var failed: [Digest: Int64] = [:]
    /// Suspect backups of which somebody has said that they are right.
    public var accepted: Set<Digest> = []

    /// Backups that records or evidence name, there or not.
    var named: Set<Digest> = []

    public init() {}

    /// Whether there is a record with the name of this backup, which cannot be read.
    func hasDamagedRecord(of id: Digest) -> Bool {
        alarms.contains { $0.file.flatMap(BackupSet.shortID(ofRecord:)) == String(id.hex.prefix(12)) }
    }

    /// The backup whose record a file was, by its name; nil if none or several that are named could be meant.
    func id(ofRecord file: String) -> Digest? {
        let found = named.filter { BackupSet.shortID(ofRecord: file) == String($0.hex.prefix(12)) }
        return found.count == 1 ? found.first : nil
    }

    /// Whether a backup's listing is not believed, and nobody has said that it is right.
    public func isSuspect(_ backup: Backup) -> Bool {
        backup.header.suspect != nil && !accepted.contains(backup.id)
    }
}
