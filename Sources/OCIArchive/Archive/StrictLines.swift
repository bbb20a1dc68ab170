import NIOCore
import OCI

/// JSON Lines as Lifeboat writes them, taken apart as they come: one object a line, in the one way of writing it.
///
/// So what is read gives the same bytes when written again, and a digest of the lines says all of what they say.
struct StrictLines {
    /// How messages call the file.
    let place: String
    /// The most lines that are read.
    let limit: Int
    private(set) var count = 0
    private var rest = ByteBuffer()

    init(place: String, limit: Int) {
        self.place = place
        self.limit = limit
    }

    /// Whether the last byte ended a line.
    var endsWithLine: Bool { rest.readableBytes == 0 }

    /// - Parameter body: called with each line that `bytes` complete; what it returns is all that the line may say.
    mutating func take(_ bytes: ByteBuffer, _ body: (StrictLine) throws -> [String: JSONValue]) throws {
        rest.writeImmutableBuffer(bytes)
        while let length = rest.readableBytesView.firstIndex(of: UInt8(ascii: "\n")) {
            let bytes = rest.readSlice(length: length - rest.readerIndex) ?? ByteBuffer()
            rest.moveReaderIndex(forwardBy: 1)
            count += 1
            guard count <= limit else { throw ArchiveError.policy("\(place) has more than \(limit) lines") }
            do {
                let json = try JSONValue(parsing: bytes, in: "line \(count) of \(place)")
                let line = StrictLine(json: json, number: count, place: place)
                let known = JSONValue.object(try body(line))
                guard ByteBuffer(string: known.text) == bytes else {
                    throw line.fault(
                        known == json ? "is not written as Lifeboat writes it" : "has members that are not known")
                }
            } catch let error as OCIError {
                // A value that would be refused elsewhere as unsupported or misspelt: here we wrote it, so it changed.
                throw ArchiveError.damaged("line \(count) of \(place) is damaged: \(error.description)")
            }
        }
        rest.discardReadBytes()
        guard rest.readableBytes <= ArchiveContents.lineLimit else {
            throw ArchiveError.damaged(
                "line \(count) of \(place) is longer than \(ArchiveContents.lineLimit) bytes")
        }
    }
}

/// One line, and what it takes to read its members.
struct StrictLine {
    let json: JSONValue
    let number: Int
    let place: String

    /// What kind of line it is.
    var record: String { json["record"]?.stringValue ?? "" }

    func fault(_ reason: String) -> ArchiveError { .damaged("line \(number) of \(place) \(reason)") }

    func text(_ name: String) throws -> String {
        guard let text = json[name]?.stringValue else { throw fault("has no \(name)") }
        return text
    }

    /// A whole number that is not negative.
    func count(_ name: String) throws -> Int64 {
        guard let number = json[name]?.integerValue, number >= 0 else { throw fault("has no \(name)") }
        return number
    }

    func digest(_ name: String = "digest") throws -> Digest { try Digest(parsing: try text(name)) }
}

/// The lines that the contents of archives and the records of backups have in common.
struct ContentLines {
    private var mediaTypes: [String: MediaType] = [:]

    mutating func image(_ line: StrictLine) throws -> NamedImage {
        let descriptor = Descriptor(
            mediaType: mediaType(try line.text("mediaType")), digest: try line.digest(), size: try line.count("size"))
        return NamedImage(
            registry: line.json["registry"]?.stringValue, repository: try RepositoryName(try line.text("repository")),
            tag: try line.json["tag"]?.stringValue.map { try Tag($0) }, descriptor: descriptor)
    }

    /// - Parameter last: the blob of the line before.
    mutating func blob(_ line: StrictLine, after last: ArchivedBlob?) throws -> ArchivedBlob {
        guard let role = ArchivedBlob.Role(rawValue: try line.text("role")) else {
            throw line.fault("has an unknown role")
        }
        let blob = ArchivedBlob(
            digest: try line.digest(), size: try line.count("size"), role: role,
            mediaType: line.json["mediaType"]?.stringValue.map { mediaType($0) },
            subject: try line.json["subject"]?.stringValue.map { try Digest(parsing: $0) })
        if let last, last.role.order > role.order { throw line.fault("is out of order") }
        if role == .manifest, blob.size > Manifest.sizeLimit {
            throw line.fault("gives a manifest \(blob.size) bytes, the limit is \(Manifest.sizeLimit)")
        }
        return blob
    }

    /// One string for each of the few media types, however many lines there are.
    private mutating func mediaType(_ text: String) -> MediaType {
        if let known = mediaTypes[text] { return known }
        let mediaType = MediaType(rawValue: text)
        mediaTypes[text] = mediaType
        return mediaType
    }
}
