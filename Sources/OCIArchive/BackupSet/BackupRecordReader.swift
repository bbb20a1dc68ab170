import NIOCore
import OCI

/// Reads the lines of a record as they come, and checks its seal.
struct BackupRecordReader {
    /// What a line says, besides the header and the seal.
    enum Part: Sendable {
        case head(Digest)
        case forgotten(Digest)
        case image(NamedImage)
        case missing(MissingImage)
        case blob(ArchivedBlob)
        case omitted(Digest)

        /// Lines come in this order.
        fileprivate var stage: Int {
            switch self {
            case .head: 1
            case .forgotten: 2
            case .image: 3
            case .missing: 4
            case .blob: 5
            case .omitted: 6
            }
        }
    }

    private(set) var header: BackupHeader?
    private var seal: BackupSeal?
    private var digester = Digester(.sha256)
    /// Bytes that may be the seal, and so do not count.
    private var held = ByteBuffer()
    private var lines: StrictLines
    private var reader = ContentLines()
    private var stage = 0
    private var lastBlob: ArchivedBlob?
    private var images = 0
    private var blobs = 0
    private var bytes: Int64 = 0

    /// - Parameter place: how messages call the record.
    init(place: String) {
        lines = StrictLines(place: place, limit: BackupRecord.lineLimit)
    }

    /// - Parameter body: called with what each line says.
    mutating func take(_ bytes: ByteBuffer, _ body: (Part) throws -> Void) throws {
        held.writeImmutableBuffer(bytes)
        if held.readableBytes > BackupSeal.sizeLimit,
            let sure = held.readSlice(length: held.readableBytes - BackupSeal.sizeLimit)
        {
            digester.update(sure)
        }
        var lines = lines
        defer { self.lines = lines }
        try lines.take(bytes) { line in
            guard seal == nil else { throw line.fault("stands behind the seal") }
            if header == nil {
                let header = try BackupHeader(line)
                self.header = header
                return header.members
            }
            if line.record == "seal" {
                let seal = try BackupSeal(line)
                self.seal = seal
                return seal.members
            }
            let (part, members) = try read(line)
            guard part.stage >= stage else { throw line.fault("is out of order") }
            stage = part.stage
            try body(part)
            return members
        }
    }

    /// - Returns: the header, and the id that the bytes have.
    /// - Throws: `ArchiveError` `.damaged` if there is no seal, or it belongs to other lines.
    mutating func finish() throws -> (BackupHeader, Digest) {
        guard lines.endsWithLine, let header, let seal else {
            throw ArchiveError.damaged(
                "\(lines.place) does not end with a seal: it is cut off or changed",
                advice: "a copy of the file from elsewhere mends it")
        }
        let size = seal.encoded.utf8.count
        if held.readableBytes > size, let rest = held.readSlice(length: held.readableBytes - size) {
            digester.update(rest)
        }
        let id = digester.finalize()
        guard id == seal.id, Int64(lines.count) == seal.lines + 1 else {
            throw ArchiveError.damaged(
                "\(lines.place) was changed: got \(id) with \(lines.count - 1) lines, want \(seal.id) with \(seal.lines)",
                advice: "a copy of the file from elsewhere mends it")
        }
        guard header.images == images, header.blobs == blobs, header.bytes == bytes else {
            throw ArchiveError.damaged(
                "\(lines.place) lists \(images) images and \(blobs) blobs of \(bytes) bytes, its header says "
                    + "\(header.images), \(header.blobs) and \(header.bytes)")
        }
        return (header, id)
    }

    private mutating func read(_ line: StrictLine) throws -> (Part, [String: JSONValue]) {
        switch line.record {
        case "head":
            let digest = try line.digest()
            return (.head(digest), ["record": .string("head"), "digest": .string(digest.description)])
        case "forgotten":
            let digest = try line.digest()
            return (.forgotten(digest), ["record": .string("forgotten"), "digest": .string(digest.description)])
        case "image":
            let image = try reader.image(line)
            images += 1
            return (.image(image), ArchiveContents.members(image))
        case "missing":
            let image = try MissingImage(line)
            return (.missing(image), image.members)
        case "blob":
            let blob = try reader.blob(line, after: lastBlob)
            lastBlob = blob
            blobs += 1
            let (sum, overflow) = bytes.addingReportingOverflow(blob.size)
            guard !overflow else { throw line.fault("brings the bytes of the backup beyond 2^63") }
            bytes = sum
            return (.blob(blob), ArchiveContents.members(blob))
        case "omitted":
            let digest = try line.digest()
            return (.omitted(digest), ArchiveContents.members(omitted: digest))
        default: throw line.fault("has the unknown record '\(shown(line.record, limit: 40))'")
        }
    }
}
