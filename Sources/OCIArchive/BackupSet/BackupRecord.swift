import NIOCore
import OCI

/// What a backup is: the names and digests of all that belongs to it. The bytes lie in the set, shared by all backups.
///
/// Written as JSON Lines, in the strict form of an archive's contents, closed by a seal.
public struct BackupRecord: Sendable {
    /// The most lines of one record.
    public static let lineLimit = 4_000_000

    public var header: BackupHeader
    /// The newest records that its writer saw: those that no other record names. Sorted.
    public var heads: [Digest]
    /// The records that had been forgotten by then, as far as the set still says so. Sorted.
    public var forgotten: [Digest]
    /// Sorted by registry, repository, tag, digest.
    public var images: [NamedImage]
    public var missing: [MissingImage]
    /// Manifests, then configs, then layers, each in the order in which the images first need them.
    public var blobs: [ArchivedBlob]
    /// What manifests point to and the backup leaves out on purpose, sorted.
    public var omitted: [Digest]

    public init(
        header: BackupHeader, heads: [Digest] = [], forgotten: [Digest] = [], images: [NamedImage] = [],
        missing: [MissingImage] = [], blobs: [ArchivedBlob] = [], omitted: [Digest] = []
    ) {
        self.header = header
        self.heads = heads
        self.forgotten = forgotten
        self.images = images
        self.missing = missing
        self.blobs = blobs
        self.omitted = omitted
    }
}

/// A sealed record in a set, found by its header and its seal only.
public struct Backup: Sendable, Hashable {
    /// The sha256 of the record's bytes up to its seal.
    public let id: Digest
    public let header: BackupHeader
    /// The name of the file in `records/`.
    public let file: String

    init(id: Digest, header: BackupHeader) {
        self.id = id
        self.header = header
        file = Backup.file(id: id, ended: header.ended)
    }

    /// Whether it is whole, and either not suspect or accepted all the same.
    ///
    /// - Parameter accepted: `BackupSet.accepted`.
    public func isGood(_ accepted: Set<Digest>) -> Bool {
        header.state == .complete && (header.suspect == nil || accepted.contains(id))
    }

    /// `20261121T020000Z-0123456789ab.jsonl`
    static func file(id: Digest, ended: Int64) -> String {
        "\(Moment(ended).compact)-\(id.hex.prefix(12)).jsonl"
    }

    /// The first twelve hex digits of the id.
    public var name: String { String(id.hex.prefix(12)) }
    /// When it was made.
    public var moment: Moment { header.moment }
}

extension BackupRecord {
    /// Calls `body` with the record's lines, many at a time, the seal last.
    ///
    /// - Returns: the record's id.
    func write(_ body: (ByteBuffer) async throws -> Void) async throws -> Digest {
        var digester = Digester(.sha256)
        var count: Int64 = 0
        var output = ByteBuffer()
        func add(_ members: [String: JSONValue]) async throws {
            count += 1
            output.writeString(JSONValue.object(members).text + "\n")
            if output.readableBytes >= BackupRecord.chunkSize {
                digester.update(output)
                try await body(output)
                output.clear()
            }
        }
        try await add(header.members)
        for head in heads { try await add(["record": .string("head"), "digest": .string(head.description)]) }
        for id in forgotten { try await add(["record": .string("forgotten"), "digest": .string(id.description)]) }
        for image in images { try await add(ArchiveContents.members(image)) }
        for image in missing { try await add(image.members) }
        for blob in blobs { try await add(ArchiveContents.members(blob)) }
        for digest in omitted { try await add(ArchiveContents.members(omitted: digest)) }
        digester.update(output)
        let id = digester.finalize()
        output.writeString(BackupSeal(id: id, lines: count).encoded)
        try await body(output)
        return id
    }

    private static let chunkSize = 128 << 10
}

extension MissingImage {
    var members: [String: JSONValue] {
        [
            "record": .string("missing"), "name": .string(name), "class": .string(kind.rawValue),
            "message": .string(message),
        ]
    }

    init(_ line: StrictLine) throws {
        guard let kind = FailureKind(rawValue: try line.text("class")) else { throw line.fault("has an unknown class") }
        self.init(name: try line.text("name"), kind: kind, message: try line.text("message"))
    }
}
