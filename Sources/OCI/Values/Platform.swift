/// What a platform-specific image runs on (image specification, image-index.md, "platform").
public struct Platform: Hashable, Sendable {
    public let os: String
    public let architecture: String
    public let variant: String?
    public let osVersion: String?

    public init(os: String, architecture: String, variant: String? = nil, osVersion: String? = nil) {
        self.os = os
        self.architecture = architecture
        self.variant = variant
        self.osVersion = osVersion
    }

    /// Reads `os/architecture[/variant]`, as in `linux/arm64/v8`.
    ///
    /// - Throws: `OCIError` of kind `.usage`.
    public init(parsing text: String) throws(OCIError) {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
        guard (2...3).contains(parts.count), parts.allSatisfy({ !$0.isEmpty }) else {
            throw OCIError(
                .usage, "'\(shown(text))' is not a platform", advice: "os/architecture[/variant], such as linux/amd64")
        }
        self.init(os: parts[0], architecture: parts[1], variant: parts.count == 3 ? parts[2] : nil)
    }

    /// Whether an image for `other` is what somebody means who asks for this platform.
    ///
    /// A variant that was not asked for is not compared, and `arm64` means `arm64/v8`.
    public func matches(_ other: Platform) -> Bool {
        os == other.os && architecture == other.architecture
            && (variant == nil || variant == other.variant
                || (architecture == "arm64" && variant == "v8" && other.variant == nil))
            && (osVersion == nil || osVersion == other.osVersion)
    }

    /// Whether this stands for "none": attestations are listed under `unknown/unknown`.
    public var isUnknown: Bool { os == "unknown" && architecture == "unknown" }
}

extension Platform: CustomStringConvertible {
    public var description: String {
        os + "/" + architecture + (variant.map { "/" + $0 } ?? "") + (osVersion.map { " " + $0 } ?? "")
    }
}
