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
    private var isDelta = false

    /// Records come in this order.
    private enum Stage: Int {
        case head, backup, file, image, blob, omitted
    }

    init(archive: String) {
        self.archive = archive
        lines = StrictLines(place: "\(ArchiveNames.contents) of \(archive)", limit: Tar.entryLimit * 2)
    }

    /// Whether what was taken so far ends with a line.
    var isBetweenLines: Bool { lines.endsWithLine }

    mutating func take(_ bytes: ByteBuffer) throws {
        digester.update(bytes)
        var lines = lines
        defer { self.lines = lines }
        try lines.take(bytes) { try takeLine($0) }
    }

    /// - Returns: what was read, and the archive's id.
    mutating func finish() throws -> (ArchiveContents, Digest) {
        guard lines.endsWithLine, stage != .head, stage != .backup else {
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
            let kind = line.json["kind"]?.stringValue ?? ""
            stage = version == ArchiveContents.version ? .file : .backup
            isDelta = kind == "delta"
            return ["record": .string("archive"), "kind": .string(kind), "version": .number(version)]
        }
        if stage == .backup {
            contents.lineage = try lineage(line)
            stage = .file
            return ArchiveContents.members(contents.lineage)
        }
        let (next, members) = try read(line)
        guard next.rawValue >= stage.rawValue else { throw line.fault("is out of order") }
        stage = next
        return members
    }

    private func lineage(_ line: StrictLine) throws -> ArchiveLineage {
        guard line.record == "backup" else { throw line.fault("is not the record that says what it is part of") }
        var lineage = ArchiveLineage()
        if isDelta {
            lineage.base = ArchiveBase(
                id: try line.digest("base"), name: try line.text("baseName"), time: line.json["baseTime"]?.integerValue)
        }
        if line.json["volumes"] != nil {
            let count = try line.count("volumes")
            let number = try line.count("volume")
            guard (1...Int64(VolumeNumber.countLimit)).contains(count), (1...count).contains(number) else {
                throw line.fault("says that it is volume \(number) of \(count)")
            }
            lineage.volume = VolumeNumber(
                number: Int(number), count: Int(count), first: number == 1 ? nil : try line.digest("first"),
                whole: try line.digest("whole"))
        }
        guard !lineage.isWhole else { throw line.fault("does not say what it is part of") }
        return lineage
    }

    private func needs(_ line: StrictLine) throws -> ImageNeeds {
        var needs = ImageNeeds()
        needs.base = isDelta && line.json["base"] == .bool(true)
        if contents.lineage.volume != nil {
            guard case .array(let numbers)? = line.json["volumes"] else { throw line.fault("has no volumes") }
            needs.volumes = try numbers.map { try volume($0, line) }
            guard zip(needs.volumes, needs.volumes.dropFirst()).allSatisfy({ $0 < $1 }) else {
                throw line.fault("has volumes that are not sorted")
            }
        }
        return needs
    }

    private func volume(_ number: JSONValue?, _ line: StrictLine) throws -> Int {
        guard let number = number?.integerValue, let count = contents.lineage.volume?.count,
            (1...Int64(count)).contains(number)
        else { throw line.fault("has no volume that there is") }
        return Int(number)
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
            if contents.lineage.isWhole { return (.image, ArchiveContents.members(image)) }
            let needs = try needs(line)
            contents.needs.append(needs)
            return (.image, ArchiveContents.members(image).merging(contents.members(needs)) { $1 })
        case "blob":
            var blob = try reader.blob(line, after: contents.blobs.last)
            blob.isInBase = isDelta && line.json["base"] == .bool(true)
            if contents.lineage.volume != nil, !blob.isInBase { blob.volume = try volume(line.json["volume"], line) }
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
