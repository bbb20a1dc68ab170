import OCI

/// What two stores hold under the same names: the certificate of a migration.
public struct Comparison: Sendable {
    public enum Difference: Sendable {
        /// The other side has nothing under this name.
        case missing(name: String, want: Digest)
        case different(name: String, got: Digest, want: Digest)
        case unreadable(name: String, FailureReport)

        public var name: String {
            switch self {
            case .missing(let name, _), .different(let name, _, _), .unreadable(let name, _): name
            }
        }
    }

    /// Where the list of names comes from.
    public var listed: String
    /// Where they were looked for.
    public var compared: String
    public var same = 0
    public var differences: [Difference] = []
    /// The digest over the sorted lines `repository:tag digest` of each side: equal if and only if the sides are.
    ///
    /// Names are those of the compared side on both, so that a mapping does not make them differ.
    public var listedDigest: Digest?
    public var comparedDigest: Digest?
    /// How many lines each digest covers.
    public var listedCount = 0
    public var comparedCount = 0
    /// What the compared side has besides, within the selection: information, no difference.
    public var extra: [String] = []
    /// Set where the compared side was read again, every byte.
    public var reread: Reread?

    /// What was read again, and found right unless an image of the step failed.
    public struct Reread: Sendable {
        public var images: Int
        public var bytes: Int64
    }

    public init(listed: String, compared: String) {
        self.listed = listed
        self.compared = compared
    }

    /// Whether both sides hold the same under every name that was compared.
    public var isEqual: Bool { differences.isEmpty && listedDigest == comparedDigest }

    /// One for each difference, in their order.
    var failures: [FailureReport] {
        differences.map { difference in
            switch difference {
            case .missing(let name, let want):
                FailureReport(
                    LifeboatError(.notFound, "\(compared) has no \(name), want \(want) as in \(listed)"),
                    among: [compared])
            case .different(let name, let got, let want):
                FailureReport(
                    LifeboatError(.conflict, "\(name) is \(got) at \(compared), want \(want) as in \(listed)"),
                    among: [compared])
            case .unreadable(_, let failure): failure
            }
        }
    }

    /// Both comparisons as one; the digests cover what each of them covered, in order.
    func joined(with other: Comparison) -> Comparison {
        var joined = self
        joined.same += other.same
        joined.differences += other.differences
        joined.listedCount += other.listedCount
        joined.comparedCount += other.comparedCount
        joined.extra += other.extra
        joined.listedDigest = Comparison.digest(listedDigest, other.listedDigest)
        joined.comparedDigest = Comparison.digest(comparedDigest, other.comparedDigest)
        return joined
    }

    private static func digest(_ first: Digest?, _ second: Digest?) -> Digest? {
        guard let first, let second else { return first ?? second }
        return Digest(of: Array("\(first)\n\(second)\n".utf8))
    }
}
