import NIOCore

/// An image manifest or an index, always with the exact bytes that its digest names.
///
/// Image specification, manifest.md and image-index.md, and docker's schema 2. What it is comes from its content;
/// what others say it is (a descriptor, a Content-Type) must agree. It is never encoded again.
public struct Manifest: Sendable, Hashable {
    /// The largest manifest that is read. Registries must take 4 MiB (distribution specification, "Pushing manifests").
    public static let sizeLimit: Int64 = 4 << 20

    public enum Kind: Sendable, Hashable {
        /// One image or artifact: its config and layers, or its blobs.
        case image(config: Descriptor?, layers: [Descriptor])
        /// A list of manifests, such as one for each platform.
        case index([Descriptor])
    }

    public let bytes: ByteBuffer
    /// Media type, digest and size of the document itself.
    public let descriptor: Descriptor
    public let kind: Kind
    /// The manifest that this one refers to, as a signature or an SBOM does.
    public let subject: Descriptor?
    /// What kind of artifact it is: `artifactType`, else the media type of the config.
    public let artifactType: String?
    public let annotations: [String: String]

    /// Reads a manifest whose digest is already known.
    ///
    /// - Parameters:
    ///   - descriptor: what the bytes should be; digest and size are checked, and the media type against the content.
    ///   - origin: who sent it, for messages.
    /// - Throws: `OCIError`, `.damaged` for wrong bytes or a document that is ambiguous or not a manifest, `.policy`
    ///   for schema 1, an unsupported digest algorithm or a document above `sizeLimit`.
    public init(_ bytes: ByteBuffer, as descriptor: Descriptor, from origin: String) throws(OCIError) {
        guard Int64(bytes.readableBytes) == descriptor.size else {
            throw .damaged(
                "manifest \(descriptor.digest) from \(origin) has \(bytes.readableBytes) bytes, want \(descriptor.size)"
            )
        }
        let digest = Digest(of: bytes, algorithm: descriptor.digest.algorithm)
        guard digest == descriptor.digest else {
            throw .damaged("manifest from \(origin) arrived damaged: got \(digest), want \(descriptor.digest)")
        }
        try self.init(
            parsing: bytes, mediaType: descriptor.mediaType, isDescribed: true, digest: digest, from: origin)
    }

    /// Reads a manifest that is named by nothing but a tag: its digest is what its bytes say.
    ///
    /// - Parameter mediaType: what the sender called it; a type that is no manifest's is passed over.
    public init(
        _ bytes: ByteBuffer, mediaType: MediaType?, algorithm: Digest.Algorithm = .sha256, from origin: String
    ) throws(OCIError) {
        try self.init(
            parsing: bytes, mediaType: mediaType, isDescribed: false, digest: Digest(of: bytes, algorithm: algorithm),
            from: origin)
    }

    private init(
        parsing bytes: ByteBuffer, mediaType claimed: MediaType?, isDescribed: Bool, digest: Digest,
        from origin: String
    ) throws(OCIError) {
        let place = "manifest \(digest.short) from \(origin)"
        guard Int64(bytes.readableBytes) <= Manifest.sizeLimit else {
            throw .policy("\(place) has \(bytes.readableBytes) bytes, the limit is \(Manifest.sizeLimit)")
        }
        if let claimed, claimed.isSchema1 { throw Manifest.schema1(place) }
        let members = try ManifestMembers(parsing: bytes, in: place)
        kind = try Manifest.kind(members, in: place)
        let named = try members["mediaType"]?.string("\(place): mediaType")
        let mediaType = try Manifest.mediaType(
            claimed: claimed, named: named.map { MediaType(rawValue: $0) }, isDescribed: isDescribed, kind: kind,
            in: place)
        descriptor = Descriptor(mediaType: mediaType, digest: digest, size: Int64(bytes.readableBytes))
        if let value = members["subject"] {
            subject = try Descriptor(json: value, in: "\(place): subject")
        } else {
            subject = nil
        }
        annotations = try members.readAnnotations()
        let ownType = try members["artifactType"]?.string("\(place): artifactType")
        if case .image(let config?, _) = kind {
            artifactType = ownType ?? config.mediaType.rawValue
        } else {
            artifactType = ownType
        }
        self.bytes = bytes
    }

    private static func schema1(_ place: String) -> OCIError {
        .policy(
            "\(place) is a docker schema 1 manifest, which is not supported",
            advice: "pull and push it once with a current docker, which converts it to schema 2")
    }

    private static func kind(_ members: ManifestMembers, in place: String) throws(OCIError) -> Kind {
        let isIndex = members.has("manifests")
        let isImage = members.has("config") || members.has("layers") || members.has("blobs")
        let isSchema1 = members.has("fsLayers") || members.has("history")
        if (isIndex ? 1 : 0) + (isImage ? 1 : 0) + (isSchema1 ? 1 : 0) > 1 {
            throw .damaged("\(place) is ambiguous: it has members of more than one kind of manifest")
        }
        if isSchema1 || members["schemaVersion"] == .number(1) { throw schema1(place) }
        if let version = members["schemaVersion"], version != .number(2) {
            throw .damaged("\(place): schemaVersion is \(shown(version.text, limit: 40)), want 2")
        }
        if let children = try members.descriptors("manifests") { return .index(children) }
        if !members.has("config"), !members.has("layers"), let blobs = try members.descriptors("blobs") {
            return .image(config: nil, layers: blobs)
        }
        guard let config = members["config"], !members.has("blobs") else {
            throw .damaged("\(place) is neither an image manifest nor an index: it has no config and no manifests")
        }
        return .image(
            config: try Descriptor(json: config, in: "\(place): config"),
            layers: try members.descriptors("layers") ?? [])
    }

    /// Content, `mediaType` member and what the sender says must not contradict each other (CVE-2021-41190).
    ///
    /// A descriptor may call a docker manifest an OCI one, or the other way about: layouts that were converted do, and
    /// the digest settles what is meant. It may not call an index an image.
    private static func mediaType(
        claimed: MediaType?, named: MediaType?, isDescribed: Bool, kind: Kind, in place: String
    ) throws(OCIError) -> MediaType {
        let isIndex = if case .index = kind { true } else { false }
        if let named {
            guard named.isWellFormed else {
                throw .damaged("\(place): mediaType is '\(shown(named.rawValue, limit: 200))', want type/subtype")
            }
            if named.isSchema1 { throw schema1(place) }
            if named.isManifest, named.isIndex != isIndex {
                throw .damaged("\(place) calls itself \(named) but is \(isIndex ? "an index" : "an image manifest")")
            }
            if let claimed, claimed.isManifest, claimed != named, !isDescribed || claimed.isIndex != isIndex {
                throw .damaged("\(place) was sent as \(claimed) but calls itself \(named)")
            }
            return named
        }
        if let claimed, claimed.isManifest {
            guard claimed.isIndex == isIndex else {
                throw .damaged("\(place) was sent as \(claimed) but is \(isIndex ? "an index" : "an image manifest")")
            }
            return claimed
        }
        return isIndex ? .ociIndex : .ociManifest
    }

    /// Everything that the manifest points down to, in its order.
    public var children: [Descriptor] {
        switch kind {
        case .image(let config, let layers): (config.map { [$0] } ?? []) + layers
        case .index(let manifests): manifests
        }
    }
}
