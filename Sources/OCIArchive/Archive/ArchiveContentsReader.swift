import NIOCore
import OCI

/// Reads the lines of `lifeboat/contents` as they come.
///
/// Only the one way in which we write them is accepted, so that what is read gives the same bytes when written again.
struct ArchiveContentsReader {
    private(set) var contents = ArchiveContents()
    private let archive: String
    private var digester = Digester(.sha256)
    private var lines: StrictLines
    private var reader = ContentLines()
    private var stage = Stage.head

    /// Records come in this order.
    private enum Stage: Int {
        case head, file, image, blob, omitted
    }

    init(archive: String) {
        self.archive = archive
        lines = StrictLines(place: "\(ArchiveNames.contents) of \(archive)", limit: Tar.entryLimit * 2)
    }

    mutating func take(_ bytes: ByteBuffer) throws {
        digester.update(bytes)
        var lines = lines
        defer { self.lines = lines }
        try lines.take(bytes) { try takeLine($0) }
    }

    /// - Returns: what was read, and the archive's id.
    mutating func finish() throws -> (ArchiveContents, Digest) {
        guard lines.endsWithLine, stage != .head else {
            throw ArchiveError.damaged("\(lines.place) does not end with a line")
        }
        guard contents.files.map(\.name) == [ArchiveNames.layout, ArchiveNames.index] else {
            throw ArchiveError.damaged("\(lines.place) does not list \(ArchiveNames.layout) and \(ArchiveNames.index)")
        }
        return (contents, digester.finalize())
    }

    private mutating func takeLine(_ line: StrictLine) throws -> [String: JSONValue] {
        if stage == .head {
            guard line.record == "archive", let version = line.json["version"]?.integerValue else {
                throw line.fault("is not the record that says what it is")
            }
            try ArchiveNames.check(version: version, kind: line.json["kind"]?.stringValue, archive: archive)
            guard line.json == .object(ArchiveContents.head) else { throw line.fault("is not known") }
            stage = .file
            return ArchiveContents.head
        }
        let (next, members) = try read(line)
        guard next.rawValue >= stage.rawValue else { throw line.fault("is out of order") }
        stage = next
        return members
    }

    private mutating func read(_ line: StrictLine) throws -> (Stage, [String: JSONValue]) {
        switch line.record {
        case "file":
            let file = ArchiveContents.NamedFile(
                name: try line.text("name"), size: try line.count("size"), digest: try line.digest())
            contents.files.append(file)
            return (.file, ArchiveContents.members(file))
        case "image":
            let image = try reader.image(line)
            contents.images.append(image)
            return (.image, ArchiveContents.members(image))
        case "blob":
            let blob = try reader.blob(line, after: contents.blobs.last)
            contents.blobs.append(blob)
            return (.blob, ArchiveContents.members(blob))
        case "omitted":
            let digest = try line.digest()
            contents.omitted.append(digest)
            return (.omitted, ArchiveContents.members(omitted: digest))
        default: throw line.fault("has the unknown record '\(shown(line.record, limit: 40))'")
        }
    }
}

extension ArchivedBlob.Role {
    var order: Int {
        switch self {
        case .manifest: 0
        case .config: 1
        case .layer: 2
        }
    }
}
