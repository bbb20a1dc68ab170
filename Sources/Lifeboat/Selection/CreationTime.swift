import NIOCore
import OCI

/// When an image was made, by its own account.
enum CreationTime {
    /// The largest config that is read for it.
    static let configLimit: Int64 = 4 << 20
    private static let annotation = "org.opencontainers.image.created"

    /// Reads the annotation of a manifest, else `created` of its config. An index without the annotation is as old as
    /// its first image.
    ///
    /// - Returns: nil where there is none, or one that says nothing: tools that build the same bytes each time write
    ///   1970, or the year 1.
    static func read(_ image: Descriptor, from source: some ImageSource, by reader: some ManifestReader) async throws
        -> Moment?
    {
        var manifest = try await reader.manifest(image)
        for _ in 0..<ImageGraph.depthLimit {
            if let text = manifest.annotations[annotation] { return moment(text) }
            switch manifest.kind {
            case .index(let children):
                let isImage = { (child: Descriptor) in
                    child.mediaType.isManifest && !(child.platform?.isUnknown ?? false)
                }
                guard let child = children.first(where: isImage) else { return nil }
                manifest = try await reader.manifest(child)
            case .image(let config?, _):
                guard config.size <= configLimit, config.mediaType == .ociConfig || config.mediaType == .dockerConfig
                else { return nil }
                let bytes = try await source.read(config) { try await $0.collect(upTo: configLimit) }
                let json = try JSONValue(parsing: bytes, in: "config \(config.digest.short) from \(source.name)")
                return json["created"]?.stringValue.flatMap { moment($0) }
            case .image: return nil
            }
        }
        return nil
    }

    /// Reads a time as RFC 3339 writes it; nil for one that is not after 1970 began.
    static func moment(_ text: String) -> Moment? {
        guard let moment = Moment(rfc3339: text), moment.seconds > 0 else { return nil }
        return moment
    }
}
