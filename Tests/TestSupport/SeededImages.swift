import NIOCore
import OCI

/// Bytes that look random and are always the same.
public enum SeededBytes {
    public static func buffer(_ count: Int, seed: UInt64) -> ByteBuffer {
        var state = seed &* 0x9e37_79b9_7f4a_7c15 &+ 1
        var buffer = ByteBuffer()
        buffer.reserveCapacity(count + 8)
        while buffer.readableBytes < count {
            state ^= state << 13
            state ^= state >> 7
            state ^= state << 17
            buffer.writeInteger(state)
        }
        return buffer.getSlice(at: 0, length: count) ?? buffer
    }

    public static func joined(_ first: ByteBuffer, _ second: ByteBuffer) -> ByteBuffer {
        var result = first
        result.writeImmutableBuffer(second)
        return result
    }
}

/// Manifests and images made on the spot.
public enum SeededImages {
    /// The bytes of an image manifest.
    public static func manifest(
        config: Descriptor, layers: [Descriptor], subject: Descriptor? = nil, artifactType: String? = nil,
        annotations: [String: String] = [:]
    ) -> ByteBuffer {
        var members: [String: JSONValue] = [
            "schemaVersion": .number(2), "mediaType": .string(MediaType.ociManifest.rawValue), "config": config.json,
            "layers": .array(layers.map(\.json)),
        ]
        members["subject"] = subject?.json
        if let artifactType { members["artifactType"] = .string(artifactType) }
        if !annotations.isEmpty { members["annotations"] = .object(annotations.mapValues { .string($0) }) }
        return ByteBuffer(string: JSONValue.object(members).text)
    }

    /// The bytes of an index.
    public static func index(_ children: [Descriptor], annotations: [String: String] = [:]) -> ByteBuffer {
        var members: [String: JSONValue] = [
            "schemaVersion": .number(2), "mediaType": .string(MediaType.ociIndex.rawValue),
            "manifests": .array(children.map(\.json)),
        ]
        if !annotations.isEmpty { members["annotations"] = .object(annotations.mapValues { .string($0) }) }
        return ByteBuffer(string: JSONValue.object(members).text)
    }

    /// Writes an image with its blobs, and says what its manifest is.
    @discardableResult
    public static func push(
        to target: any ImageTarget, seed: UInt64, layerSizes: [Int] = [1000, 20_000], tags: [Tag] = [],
        subject: Descriptor? = nil
    ) async throws -> Manifest {
        let config = ByteBuffer(string: #"{"architecture":"amd64","os":"linux","seed":\#(seed)}"#)
        let configBlob = Descriptor(of: config, mediaType: .ociConfig)
        try await target.write(Content(config, as: configBlob, from: "seed \(seed)"))
        var layers: [Descriptor] = []
        for (number, size) in layerSizes.enumerated() {
            let bytes = SeededBytes.buffer(size, seed: seed &* 1000 &+ UInt64(number))
            let layer = Descriptor(of: bytes, mediaType: .ociLayer)
            try await target.write(Content(bytes, as: layer, from: "seed \(seed)"))
            layers.append(layer)
        }
        let manifest = try Manifest(
            manifest(config: configBlob, layers: layers, subject: subject), mediaType: .ociManifest,
            from: "seed \(seed)")
        try await target.push(manifest, tags: tags)
        return manifest
    }
}
