import NIOCore
import OCI

/// When an image was made, by its own account.
struct CreationTime: Comparable, Sendable {
    /// Seconds since 1970, and billionths of one.
    private let seconds: Int64
    private let nanoseconds: Int64

    static func < (a: CreationTime, b: CreationTime) -> Bool {
        (a.seconds, a.nanoseconds) < (b.seconds, b.nanoseconds)
    }

    /// The largest config that is read for it.
    static let configLimit: Int64 = 4 << 20
    private static let annotation = "org.opencontainers.image.created"

    /// Reads the annotation of a manifest, else `created` of its config. An index without the annotation is as old as
    /// its first image.
    ///
    /// - Returns: nil where there is none, or one that says nothing: tools that build the same bytes each time write
    ///   1970, or the year 1.
    static func read(_ image: Descriptor, from source: some ImageSource, by reader: some ManifestReader) async throws
        -> CreationTime?
    {
        var manifest = try await reader.manifest(image)
        for _ in 0..<ImageGraph.depthLimit {
            if let text = manifest.annotations[annotation] { return CreationTime(text) }
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
                return json["created"]?.stringValue.flatMap { CreationTime($0) }
            case .image: return nil
            }
        }
        return nil
    }

    /// Reads a time as RFC 3339 writes it, such as `2026-11-20T08:30:00.5+01:00`.
    init?(_ text: String) {
        var rest = Array(text.utf8)[...]
        func number(_ digits: Int) -> Int64? {
            guard rest.count >= digits else { return nil }
            var value: Int64 = 0
            for byte in rest.prefix(digits) {
                guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) else { return nil }
                value = value * 10 + Int64(byte - UInt8(ascii: "0"))
            }
            rest = rest.dropFirst(digits)
            return value
        }
        func sign(_ wanted: String) -> UInt8? {
            guard let byte = rest.first, wanted.utf8.contains(byte) else { return nil }
            rest = rest.dropFirst()
            return byte
        }
        guard let year = number(4), sign("-") != nil, let month = number(2), sign("-") != nil, let day = number(2),
            sign("Tt ") != nil, let hour = number(2), sign(":") != nil, let minute = number(2), sign(":") != nil,
            let second = number(2), (1...12).contains(month), (1...31).contains(day), hour < 24, minute < 60,
            second <= 60
        else { return nil }
        var fraction: Int64 = 0
        if sign(".") != nil {
            var digits = 0
            while let digit = number(1) {
                if digits < 9 { fraction = fraction * 10 + digit }
                digits += 1
            }
            guard digits > 0 else { return nil }
            for _ in min(digits, 9)..<9 { fraction *= 10 }
        }
        guard let zone = sign("Zz+-") else { return nil }
        var offset: Int64 = 0
        if zone == UInt8(ascii: "+") || zone == UInt8(ascii: "-") {
            guard let hours = number(2), sign(":") != nil, let minutes = number(2), hours < 24, minutes < 60 else {
                return nil
            }
            offset = (hours * 3600 + minutes * 60) * (zone == UInt8(ascii: "+") ? 1 : -1)
        }
        guard rest.isEmpty else { return nil }
        // Days since 1970 in the Gregorian calendar, with years that begin in March.
        let shifted = month <= 2 ? year - 1 : year
        let dayOfYear = (153 * ((month + 9) % 12) + 2) / 5 + day - 1
        let era = shifted >= 0 ? shifted / 400 : (shifted - 399) / 400
        let yearOfEra = shifted - era * 400
        let days = era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
        seconds = days * 86_400 + hour * 3600 + minute * 60 + second - offset
        nanoseconds = fraction
        guard seconds > 0 else { return nil }
    }
}
