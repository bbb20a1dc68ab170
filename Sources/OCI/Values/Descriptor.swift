import NIOCore

/// A typed, sized pointer to content (image specification, descriptor.md).
public struct Descriptor: Hashable, Sendable {
    public var mediaType: MediaType
    public var digest: Digest
    /// Bytes; never negative.
    public var size: Int64
    /// What few descriptors have; nil for nothing, so that the many are small.
    private var details: Details?

    private final class Details: Sendable, Hashable {
        struct Values: Sendable, Hashable {
            var platform: Platform?
            var artifactType: String?
            var annotations: [String: String] = [:]
            var urls: [String] = []
        }

        let values: Values

        init(_ values: Values) {
            self.values = values
        }

        static func == (a: Details, b: Details) -> Bool { a === b || a.values == b.values }
        func hash(into hasher: inout Hasher) { hasher.combine(values) }
    }

    private mutating func change(_ body: (inout Details.Values) -> Void) {
        var values = details?.values ?? Details.Values()
        body(&values)
        details = values == Details.Values() ? nil : Details(values)
    }

    public var platform: Platform? {
        get { details?.values.platform }
        set { change { $0.platform = newValue } }
    }

    public var artifactType: String? {
        get { details?.values.artifactType }
        set { change { $0.artifactType = newValue } }
    }

    public var annotations: [String: String] {
        get { details?.values.annotations ?? [:] }
        set { change { $0.annotations = newValue } }
    }

    /// Where else the content may be had. Never followed unless a user allows the host.
    public var urls: [String] {
        get { details?.values.urls ?? [] }
        set { change { $0.urls = newValue } }
    }

    public init(
        mediaType: MediaType, digest: Digest, size: Int64, platform: Platform? = nil, artifactType: String? = nil,
        annotations: [String: String] = [:], urls: [String] = []
    ) {
        self.mediaType = mediaType
        self.digest = digest
        self.size = size
        if platform != nil || artifactType != nil || !annotations.isEmpty || !urls.isEmpty {
            details = Details(
                .init(platform: platform, artifactType: artifactType, annotations: annotations, urls: urls))
        }
    }

    /// Media type, digest and size alone.
    public var bare: Descriptor { Descriptor(mediaType: mediaType, digest: digest, size: size) }

    /// The descriptor of bytes in memory.
    public init(of bytes: ByteBuffer, mediaType: MediaType, algorithm: Digest.Algorithm = .sha256) {
        self.init(
            mediaType: mediaType, digest: Digest(of: bytes, algorithm: algorithm), size: Int64(bytes.readableBytes))
    }

    /// Whether the content is a layer that is not stored with the image but elsewhere.
    public var isForeign: Bool { mediaType.isNonDistributable || !urls.isEmpty }
}

extension Descriptor {
    /// Reads a descriptor from JSON.
    ///
    /// An inline `data` field is checked against digest and size, then dropped: the bytes are read like any other.
    ///
    /// - Throws: `OCIError` of kind `.damaged` for a missing or wrong field, `.policy` for a digest algorithm that
    ///   is not supported.
    public init(json: JSONValue, in place: String) throws(OCIError) {
        let members = try json.object(place)
        guard let typeValue = members["mediaType"] else { throw .damaged("\(place) has no mediaType") }
        let mediaType = MediaType.shared(try typeValue.string("\(place).mediaType"))
        guard mediaType.isWellFormed else {
            throw .damaged("\(place).mediaType is '\(shown(mediaType.rawValue, limit: 200))', want type/subtype")
        }
        guard let digestValue = members["digest"] else { throw .damaged("\(place) has no digest") }
        let digest: Digest
        do throws(OCIError) {
            digest = try Digest(parsing: try digestValue.string("\(place).digest"))
        } catch {
            throw OCIError(error.kind, "\(place): \(error.description)")
        }
        guard let sizeValue = members["size"] else { throw .damaged("\(place) has no size") }
        let size = try sizeValue.integer("\(place).size")
        guard size >= 0 else { throw .damaged("\(place).size is \(size), want 0 or more") }
        self.init(mediaType: mediaType, digest: digest, size: size)
        if let value = members["platform"] { platform = try Platform(json: value, in: "\(place).platform") }
        if let value = members["artifactType"] {
            let type = try value.string("\(place).artifactType")
            guard type.isEmpty || MediaType(rawValue: type).isWellFormed else {
                throw .damaged("\(place).artifactType is '\(shown(type, limit: 200))', want type/subtype")
            }
            artifactType = type.isEmpty ? nil : type
        }
        if let value = members["annotations"] {
            annotations = try value.strings("\(place).annotations")
        }
        if let value = members["urls"], value != .null {
            for item in try value.array("\(place).urls") { urls.append(try item.string("\(place).urls")) }
        }
        if let value = members["data"] {
            try Base64.check(try value.string("\(place).data"), against: self, in: place)
        }
    }

    /// The descriptor as JSON: required members, and the optional ones that are set.
    public var json: JSONValue {
        var members: [String: JSONValue] = [
            "mediaType": .string(mediaType.rawValue), "digest": .string(digest.description), "size": .number(size),
        ]
        if let platform { members["platform"] = platform.json }
        if let artifactType { members["artifactType"] = .string(artifactType) }
        if !annotations.isEmpty { members["annotations"] = .object(annotations.mapValues { .string($0) }) }
        if !urls.isEmpty { members["urls"] = .array(urls.map { .string($0) }) }
        return .object(members)
    }
}

extension Platform {
    init(json: JSONValue, in place: String) throws(OCIError) {
        let members = try json.object(place)
        guard let os = members["os"], let architecture = members["architecture"] else {
            throw .damaged("\(place) lacks os or architecture")
        }
        self.init(
            os: try os.string("\(place).os"), architecture: try architecture.string("\(place).architecture"),
            variant: try members["variant"]?.string("\(place).variant"),
            osVersion: try members["os.version"]?.string("\(place).os.version"))
    }

    var json: JSONValue {
        var members: [String: JSONValue] = ["os": .string(os), "architecture": .string(architecture)]
        if let variant { members["variant"] = .string(variant) }
        if let osVersion { members["os.version"] = .string(osVersion) }
        return .object(members)
    }
}
