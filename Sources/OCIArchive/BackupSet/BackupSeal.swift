import NIOCore
import OCI

/// The last line of a record: that all before it was written, and what it was.
struct BackupSeal: Sendable, Hashable {
    /// The sha256 of all bytes before the seal: the backup's id.
    let id: Digest
    /// Lines before the seal.
    let lines: Int64

    /// Longer than any seal.
    static let sizeLimit = 256

    var members: [String: JSONValue] {
        ["record": .string("seal"), "digest": .string(id.description), "lines": .number(lines)]
    }

    /// The line, with its newline.
    var encoded: String { JSONValue.object(members).text + "\n" }

    init(id: Digest, lines: Int64) {
        self.id = id
        self.lines = lines
    }

    init(_ line: StrictLine) throws {
        id = try line.digest()
        lines = try line.count("lines")
        guard id.algorithm == .sha256 else { throw line.fault("is sealed by something else than sha256") }
    }

    /// Reads the seal from the last bytes of a record.
    ///
    /// - Parameter place: how messages call the record.
    /// - Throws: `ArchiveError` `.damaged` if there is none.
    init(endOf bytes: ByteBuffer, place: String) throws {
        let view = bytes.readableBytesView
        let newline = UInt8(ascii: "\n")
        guard view.last == newline else { throw BackupSeal.missing(place) }
        let start = view.dropLast().lastIndex(of: newline).map { $0 + 1 } ?? view.startIndex
        var lines = StrictLines(place: place, limit: 1)
        var found: BackupSeal?
        do {
            try lines.take(ByteBuffer(bytes: view[start...])) { line in
                guard line.record == "seal" else { throw BackupSeal.missing(place) }
                let seal = try BackupSeal(line)
                found = seal
                return seal.members
            }
        } catch let error as ArchiveError where error.kind == .damaged {
            throw BackupSeal.missing(place)
        }
        guard let found else { throw BackupSeal.missing(place) }
        self = found
    }

    private static func missing(_ place: String) -> ArchiveError {
        .damaged(
            "\(place) does not end with a seal: it is cut off or changed",
            advice: "the other backups of the set are not touched by this; a copy of the file from elsewhere mends it")
    }
}
