import NIOCore
import OCI

/// The names of what is in an archive, and the bytes that are always the same.
enum ArchiveNames {
    static let layout = "oci-layout"
    static let index = "index.json"
    static let contents = "lifeboat/contents"
    static let seal = "lifeboat/seal"

    /// image specification, image-layout.md, "oci-layout file".
    static let layoutBytes = ByteBuffer(string: #"{"imageLayoutVersion":"1.0.0"}"#)

    /// The largest `oci-layout` that is read.
    static let layoutLimit: Int64 = 64 << 10
    /// The largest `lifeboat/seal` that is read.
    static let sealLimit: Int64 = 4 << 10

    /// - Throws: `ArchiveError` `.damaged` for a version or kind that only a newer Lifeboat knows.
    static func check(version: Int64, kind: String?, archive: String) throws {
        let known: [String] =
            switch version {
            case ArchiveContents.version: ["full"]
            case ArchiveContents.lineageVersion: ["full", "delta"]
            default: []
            }
        guard let kind, known.contains(kind) else {
            throw ArchiveError.damaged(
                "\(archive) has format version \(version), kind '\(shown(kind ?? "", limit: 40))'; this Lifeboat reads "
                    + "versions up to \(ArchiveContents.lineageVersion), of kind 'full' or 'delta'",
                advice: "read it with a newer Lifeboat")
        }
    }
}
