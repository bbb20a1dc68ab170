import OCI

/// Remembers when signatures, SBOMs and the like of images were last looked for, so that it need not be done each time.
///
/// A cache: without it they are looked for in every run.
public protocol ReferrerLookups: Sendable {
    /// When the referrers of each manifest that is known were last seen to be at the target: milliseconds since 1970.
    func lastLookups(_ way: ReferrerWay) async throws -> [Digest: Int64]

    /// - Parameter time: milliseconds since 1970.
    func record(_ digests: [Digest], _ way: ReferrerWay, at time: Int64) async throws
}

/// Between which repositories referrers are copied, and which of them.
public struct ReferrerWay: Sendable, Hashable {
    /// `registry/repository`.
    public var source: String
    public var target: String
    /// The patterns of artifact types that are wanted, in one text; empty for all.
    public var types: String

    public init(source: String, target: String, types: String) {
        self.source = source
        self.target = target
        self.types = types
    }
}
