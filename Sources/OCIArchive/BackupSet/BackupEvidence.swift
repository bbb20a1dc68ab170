import NIOCore
import OCI

/// Something that is known of a set and that no record can say, such as that it was verified: a file in `evidence/`
/// that is written once and never changed.
///
/// One JSON object, written like a line of a record, in `<kind>-<YYYYMMDDThhmmssZ>-<12 hex of the sha256 of its
/// bytes>.json`. What its other members are depends on its kind.
public struct BackupEvidence: Sendable, Hashable {
    /// The largest file that is read.
    static let sizeLimit: Int64 = 16 << 20

    /// Lower-case letters, such as `verified`.
    public let kind: String
    /// Seconds since 1970.
    public let at: Int64
    /// All members, `kind` and `at` too.
    public let members: [String: JSONValue]

    public init(kind: String, at: Int64, _ members: [String: JSONValue] = [:]) {
        self.kind = kind
        self.at = at
        self.members = members.merging(["kind": .string(kind), "at": .number(at)]) { $1 }
    }

    /// The backup that it is about, if it is about one.
    public var backup: Digest? {
        get throws { try members["backup"]?.stringValue.map { try Digest(parsing: $0) } }
    }

    private var bytes: ByteBuffer { ByteBuffer(string: JSONValue.object(members).text + "\n") }

    fileprivate var file: (name: String, bytes: ByteBuffer) {
        let bytes = bytes
        return ("\(kind)-\(Moment(at).compact)-\(Digest(of: bytes).hex.prefix(12)).json", bytes)
    }

    fileprivate init(_ bytes: ByteBuffer, file: String, place: String) throws {
        let json = try JSONValue(parsing: bytes, in: place)
        guard let kind = json["kind"]?.stringValue, let at = json["at"]?.integerValue, case .object(let members) = json
        else { throw ArchiveError.damaged("\(place) does not say what it is, and of when") }
        self.kind = kind
        self.at = at
        self.members = members
        guard self.file.name == file, self.bytes == bytes else {
            throw ArchiveError.damaged("\(place) was changed: its bytes are not those that it is named after")
        }
    }
}

extension BackupSet {
    /// All evidence of one kind, oldest first.
    ///
    /// - Returns: also the files that are damaged, and why.
    public func evidence(
        _ kind: String
    ) async throws -> (evidence: [BackupEvidence], damaged: [DamagedRecord]) {
        guard try await files.status(evidencePath, followLinks: false) != nil else { return ([], []) }
        let names = try await files.list(evidencePath).filter { $0.hasPrefix(kind + "-") }
        var evidence: [BackupEvidence] = []
        var damaged: [DamagedRecord] = []
        for name in names {
            let place = "evidence \(shown(name, limit: 200)) of \(self.name)"
            do {
                guard
                    let (bytes, _) = try await folder.read(
                        evidencePath + "/" + name, upTo: BackupEvidence.sizeLimit)
                else { continue }
                evidence.append(try BackupEvidence(bytes, file: name, place: place))
            } catch let error as any Failure where error.kind == .damaged || error.kind == .policy {
                damaged.append(DamagedRecord(file: name, error: error))
            }
        }
        evidence.sort { $0.at < $1.at }
        return (evidence, damaged)
    }

    /// Writes evidence, durably. The same again is no error.
    public func add(_ evidence: BackupEvidence) async throws {
        let (name, bytes) = evidence.file
        try await files.createFolder(evidencePath)
        _ = try await folder.replace(evidencePath + "/" + name, with: bytes)
        try await files.syncFolder(evidencePath)
    }

    /// The ids of suspect backups that somebody has looked at and believes.
    public func accepted() async throws -> Set<Digest> {
        try Set(await evidence("accepted").evidence.compactMap { try $0.backup })
    }

    /// The ids of the backups that have been forgotten, as far as the set still says so.
    public func forgotten() async throws -> Set<Digest> {
        try Set(await evidence("forgotten").evidence.compactMap { try $0.backup })
    }
}
