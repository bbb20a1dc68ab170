/// What kind of thing a descriptor points to, in the words of RFC 6838; parameters such as `charset` are cut off.
public struct MediaType: RawRepresentable, Hashable, Sendable, CustomStringConvertible {
    public let rawValue: String

    public init(rawValue: String) {
        self.rawValue = rawValue
    }

    /// The media type in an HTTP header field or a JSON string: lower-case, without parameters.
    public init(header: some StringProtocol) {
        let bare = header.split(separator: ";", maxSplits: 1, omittingEmptySubsequences: false).first ?? ""
        rawValue = String(bare.filter { $0 != " " && $0 != "\t" }).lowercased()
    }

    public var description: String { rawValue }

    public static let ociManifest = MediaType(rawValue: "application/vnd.oci.image.manifest.v1+json")
    public static let ociIndex = MediaType(rawValue: "application/vnd.oci.image.index.v1+json")
    public static let ociConfig = MediaType(rawValue: "application/vnd.oci.image.config.v1+json")
    public static let ociLayer = MediaType(rawValue: "application/vnd.oci.image.layer.v1.tar")
    public static let ociLayerGzip = MediaType(rawValue: "application/vnd.oci.image.layer.v1.tar+gzip")
    public static let ociLayerZstd = MediaType(rawValue: "application/vnd.oci.image.layer.v1.tar+zstd")
    public static let ociEmpty = MediaType(rawValue: "application/vnd.oci.empty.v1+json")
    public static let ociArtifact = MediaType(rawValue: "application/vnd.oci.artifact.manifest.v1+json")
    public static let dockerManifest = MediaType(rawValue: "application/vnd.docker.distribution.manifest.v2+json")
    public static let dockerManifestList = MediaType(
        rawValue: "application/vnd.docker.distribution.manifest.list.v2+json")
    public static let dockerConfig = MediaType(rawValue: "application/vnd.docker.container.image.v1+json")
    public static let dockerLayer = MediaType(rawValue: "application/vnd.docker.image.rootfs.diff.tar.gzip")
    public static let dockerForeignLayer = MediaType(
        rawValue: "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip")
    public static let dockerSchema1 = MediaType(rawValue: "application/vnd.docker.distribution.manifest.v1+json")
    public static let dockerSchema1Signed = MediaType(
        rawValue: "application/vnd.docker.distribution.manifest.v1+prettyjws")
    public static let octetStream = MediaType(rawValue: "application/octet-stream")

    /// The manifests and indexes that can be moved, in the order in which they are asked for.
    public static let manifests: [MediaType] = [
        .ociIndex, .ociManifest, .dockerManifestList, .dockerManifest, .ociArtifact,
    ]

    private static let wellKnown = Dictionary(
        uniqueKeysWithValues: [
            ociManifest, ociIndex, ociConfig, ociLayer, ociLayerGzip, ociLayerZstd, ociEmpty, ociArtifact,
            dockerManifest, dockerManifestList, dockerConfig, dockerLayer, dockerForeignLayer, octetStream,
        ].map { ($0.rawValue, $0) })

    /// The media type of this text; those that are met everywhere take no memory of their own.
    static func shared(_ text: String) -> MediaType { wellKnown[text] ?? MediaType(rawValue: text) }

    public var isIndex: Bool { self == .ociIndex || self == .dockerManifestList }
    public var isSchema1: Bool { self == .dockerSchema1 || self == .dockerSchema1Signed }
    public var isManifest: Bool { MediaType.manifests.contains(self) || isSchema1 }

    /// Whether the media type says that others may not pass the content on (image specification 1.0, "foreign").
    public var isNonDistributable: Bool {
        rawValue.hasPrefix("application/vnd.oci.image.layer.nondistributable.")
            || rawValue.hasPrefix("application/vnd.docker.image.rootfs.foreign.")
    }

    /// `type/subtype` as RFC 6838, section 4.2, restricts both names.
    public var isWellFormed: Bool {
        let names = rawValue.split(separator: "/", omittingEmptySubsequences: false)
        return names.count == 2
            && names.allSatisfy { name in
                guard let first = name.utf8.first, MediaType.isAlphanumeric(first), name.utf8.count <= 127 else {
                    return false
                }
                return name.utf8.allSatisfy { MediaType.isAlphanumeric($0) || "!#$&-^_.+".utf8.contains($0) }
            }
    }

    private static func isAlphanumeric(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"):
            true
        default: false
        }
    }
}
