import NIOCore
import OCI

/// What an archive of ours holds, as its entry `lifeboat/contents` says it: one JSON object a line.
///
/// The sha256 of these lines is the archive's id, and covers everything else in the archive.
public struct ArchiveContents: Sendable {
    /// The version of the format that is written, and the newest that is read.
    public static let version: Int64 = 1
    /// The longest line.
    static let lineLimit = 64 << 10

    /// A file that is not named by its digest.
    struct NamedFile: Hashable, Sendable {
        let name: String
        let size: Int64
        let digest: Digest
    }

    var files: [NamedFile] = []
    /// Sorted by registry, repository, tag, digest.
    public var images: [NamedImage] = []
    /// In the order of the archive.
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
        line(ArchiveContents.head)
        for file in files { line(ArchiveContents.members(file)) }
        for image in images { line(ArchiveContents.members(image)) }
        for blob in blobs { line(ArchiveContents.members(blob)) }
        for digest in omitted { line(ArchiveContents.members(omitted: digest)) }
        return output
    }

    static let head: [String: JSONValue] = [
        "record": .string("archive"), "kind": .string("full"), "version": .number(version),
    ]

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
        return members
    }

    static func members(omitted digest: Digest) -> [String: JSONValue] {
        ["record": .string("omitted"), "digest": .string(digest.description)]
    }
}
