import NIOCore
import OCI

/// Reads the lines of `lifeboat/contents` as they come.
///
/// Only the one way in which we write them is accepted, so that what is read gives the same bytes when written again.
struct ArchiveContentsReader {
    private(set) var contents = ArchiveContents()
    private let archive: String
    private var digester = Digester(.sha256)
    private var rest = ByteBuffer()
    private var lineCount = 0
    private var stage = Stage.head
    private var mediaTypes: [String: MediaType] = [:]

    /// Records come in this order.
    private enum Stage: Int {
        case head, file, image, blob, omitted
    }

    init(archive: String) {
        self.archive = archive
    }

    mutating func take(_ bytes: ByteBuffer) throws {
        digester.update(bytes)
        rest.writeImmutableBuffer(bytes)
        while let length = rest.readableBytesView.firstIndex(of: UInt8(ascii: "\n")) {
            let line = rest.readSlice(length: length - rest.readerIndex) ?? ByteBuffer()
            rest.moveReaderIndex(forwardBy: 1)
            lineCount += 1
            guard lineCount <= Tar.entryLimit * 2 else {
                throw ArchiveError.policy("\(place) has more than \(Tar.entryLimit * 2) lines")
            }
            do {
                try takeLine(line)
            } catch let error as OCIError {
                // A value that would be refused elsewhere as unsupported or misspelt: here we wrote it, so it changed.
                throw fault("is damaged: \(error.description)")
            }
        }
        rest.discardReadBytes()
        guard rest.readableBytes <= ArchiveContents.lineLimit else {
            throw fault("is longer than \(ArchiveContents.lineLimit) bytes")
        }
    }

    /// - Returns: what was read, and the archive's id.
    mutating func finish() throws -> (ArchiveContents, Digest) {
        guard rest.readableBytes == 0, stage != .head else {
            throw ArchiveError.damaged("\(place) does not end with a line")
        }
        guard contents.files.map(\.name) == [ArchiveNames.layout, ArchiveNames.index] else {
            throw ArchiveError.damaged("\(place) does not list \(ArchiveNames.layout) and \(ArchiveNames.index)")
        }
        return (contents, digester.finalize())
    }

    private var place: String { "\(ArchiveNames.contents) of \(archive)" }

    private func fault(_ reason: String) -> ArchiveError {
        .damaged("line \(lineCount) of \(place) \(reason)")
    }

    private mutating func takeLine(_ line: ByteBuffer) throws {
        let json = try JSONValue(parsing: line, in: "line \(lineCount) of \(place)")
        guard json.text.utf8.elementsEqual(line.readableBytesView) else {
            throw fault("is not written as Lifeboat writes it")
        }
        let record = json["record"]?.stringValue ?? ""
        if stage == .head {
            guard record == "archive", let version = json["version"]?.integerValue else {
                throw fault("is not the record that says what it is")
            }
            try ArchiveNames.check(version: version, kind: json["kind"]?.stringValue, archive: archive)
            guard json == .object(ArchiveContents.head) else { throw fault("is not known") }
            stage = .file
            return
        }
        let (next, members) = try read(record, json)
        guard next.rawValue >= stage.rawValue else { throw fault("is out of order") }
        stage = next
        guard .object(members) == json else { throw fault("has members that are not known") }
    }

    private mutating func read(_ record: String, _ json: JSONValue) throws -> (Stage, [String: JSONValue]) {
        func text(_ name: String) throws -> String {
            guard let text = json[name]?.stringValue else { throw fault("has no \(name)") }
            return text
        }
        func size() throws -> Int64 {
            guard let size = json["size"]?.integerValue, size >= 0 else { throw fault("has no size") }
            return size
        }
        switch record {
        case "file":
            let file = ArchiveContents.NamedFile(
                name: try text("name"), size: try size(), digest: try Digest(parsing: try text("digest")))
            contents.files.append(file)
            return (.file, ArchiveContents.members(file))
        case "image":
            let descriptor = Descriptor(
                mediaType: mediaType(try text("mediaType")), digest: try Digest(parsing: try text("digest")),
                size: try size())
            let image = NamedImage(
                registry: json["registry"]?.stringValue, repository: try RepositoryName(try text("repository")),
                tag: try json["tag"]?.stringValue.map { try Tag($0) }, descriptor: descriptor)
            contents.images.append(image)
            return (.image, ArchiveContents.members(image))
        case "blob":
            guard let role = ArchivedBlob.Role(rawValue: try text("role")) else { throw fault("has an unknown role") }
            let blob = ArchivedBlob(
                digest: try Digest(parsing: try text("digest")), size: try size(), role: role,
                mediaType: json["mediaType"]?.stringValue.map { mediaType($0) },
                subject: try json["subject"]?.stringValue.map { try Digest(parsing: $0) })
            if let last = contents.blobs.last, last.role.order > role.order { throw fault("is out of order") }
            if role == .manifest, blob.size > Manifest.sizeLimit {
                throw fault("gives a manifest \(blob.size) bytes, the limit is \(Manifest.sizeLimit)")
            }
            contents.blobs.append(blob)
            return (.blob, ArchiveContents.members(blob))
        case "omitted":
            let digest = try Digest(parsing: try text("digest"))
            contents.omitted.append(digest)
            return (.omitted, ["record": .string("omitted"), "digest": .string(digest.description)])
        default: throw fault("has the unknown record '\(shown(record, limit: 40))'")
        }
    }

    /// One string for each of the few media types, however many records there are.
    private mutating func mediaType(_ text: String) -> MediaType {
        if let known = mediaTypes[text] { return known }
        let mediaType = MediaType(rawValue: text)
        mediaTypes[text] = mediaType
        return mediaType
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
