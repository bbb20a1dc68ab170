import NIOCore
import OCI

/// What an archive of ours holds, as its entry `lifeboat/contents` says it: one JSON object a line.
///
/// The sha256 of these lines is the archive's id, and covers everything else in the archive.
public struct ArchiveContents: Sendable {
    /// The version of an archive that stands by itself.
    public static let version: Int64 = 1
    /// The version of deltas and volumes, and the newest that is read.
    public static let lineageVersion: Int64 = 2
    /// The longest line.
    static let lineLimit = 64 << 10

    /// A file that is not named by its digest.
    struct NamedFile: Hashable, Sendable {
        let name: String
        let size: Int64
        let digest: Digest
    }

    /// What the archive builds on, and which volume it is; version 2 only.
    public var lineage = ArchiveLineage()
    var files: [NamedFile] = []
    /// Sorted by registry, repository, tag, digest.
    public var images: [NamedImage] = []
    /// One for each of `images`, saying where its parts are; empty in version 1, where all of them are here.
    var needs: [ImageNeeds] = []
    /// In the order of the archive; in deltas and volumes also those that stand elsewhere.
    public var blobs: [ArchivedBlob] = []
    /// What manifests point to and the archive leaves out on purpose, sorted.
    public var omitted: [Digest] = []

    /// The lines, each ending with a newline.
    func encoded() -> ByteBuffer {
        var output = ByteBuffer()
        func line(_ members: [String: JSONValue]) {
            output.writeString(JSONValue.object(members).text)
            output.writeInteger(UInt8(ascii: "\n"))
        }
        line(head)
        if !lineage.isWhole { line(ArchiveContents.members(lineage)) }
        for file in files { line(ArchiveContents.members(file)) }
        for (number, image) in images.enumerated() {
            line(ArchiveContents.members(image).merging(needs.isEmpty ? [:] : members(needs[number])) { $1 })
        }
        for blob in blobs { line(ArchiveContents.members(blob)) }
        for digest in omitted { line(ArchiveContents.members(omitted: digest)) }
        return output
    }

    /// The version that these contents are written in.
    var version: Int64 { lineage.isWhole ? ArchiveContents.version : ArchiveContents.lineageVersion }

    var head: [String: JSONValue] {
        [
            "record": .string("archive"), "kind": .string(lineage.base == nil ? "full" : "delta"),
            "version": .number(version),
        ]
    }

    /// Whether a blob that is listed stands in this very file.
    func isHere(_ blob: ArchivedBlob) -> Bool { !blob.isInBase && blob.volume == lineage.volume?.number }

    /// Whether all parts of an image stand in this very file.
    func isComplete(_ number: Int) -> Bool {
        guard !needs.isEmpty else { return true }
        let needs = needs[number]
        return !needs.base && needs.volumes.allSatisfy { $0 == lineage.volume?.number }
    }

    static func members(_ lineage: ArchiveLineage) -> [String: JSONValue] {
        var members: [String: JSONValue] = ["record": .string("backup")]
        if let base = lineage.base {
            members["base"] = .string(base.id.description)
            members["baseName"] = .string(base.name)
            members["baseTime"] = base.time.map { .number($0) }
        }
        if let volume = lineage.volume {
            members["volume"] = .number(Int64(volume.number))
            members["volumes"] = .number(Int64(volume.count))
            members["first"] = volume.first.map { .string($0.description) }
            members["whole"] = .string(volume.whole.description)
        }
        return members
    }

    func members(_ needs: ImageNeeds) -> [String: JSONValue] {
        var members: [String: JSONValue] = [:]
        if needs.base { members["base"] = .bool(true) }
        if lineage.volume != nil { members["volumes"] = .array(needs.volumes.map { .number(Int64($0)) }) }
        return members
    }

    static func members(_ file: NamedFile) -> [String: JSONValue] {
        [
            "record": .string("file"), "name": .string(file.name), "size": .number(file.size),
            "digest": .string(file.digest.description),
        ]
    }

    static func members(_ image: NamedImage) -> [String: JSONValue] {
        var members: [String: JSONValue] = [
            "record": .string("image"), "repository": .string(image.repository.description),
            "digest": .string(image.descriptor.digest.description),
            "mediaType": .string(image.descriptor.mediaType.rawValue), "size": .number(image.descriptor.size),
        ]
        if let registry = image.registry { members["registry"] = .string(registry) }
        if let tag = image.tag { members["tag"] = .string(tag.description) }
        return members
    }

    static func members(_ blob: ArchivedBlob) -> [String: JSONValue] {
        var members: [String: JSONValue] = [
            "record": .string("blob"), "digest": .string(blob.digest.description), "size": .number(blob.size),
            "role": .string(blob.role.rawValue),
        ]
        if let mediaType = blob.mediaType { members["mediaType"] = .string(mediaType.rawValue) }
        if let subject = blob.subject { members["subject"] = .string(subject.description) }
        if blob.isInBase { members["base"] = .bool(true) }
        if let volume = blob.volume { members["volume"] = .number(Int64(volume)) }
        return members
    }

    static func members(omitted digest: Digest) -> [String: JSONValue] {
        ["record": .string("omitted"), "digest": .string(digest.description)]
    }
}
