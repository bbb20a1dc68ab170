import OCI
import OCIRegistry

/// What a run did: one entry a step, one entry an image.
public struct Report: Sendable {
    public var name: String
    /// When it began, in milliseconds since 1970.
    public var began: Int64 = 0
    public var steps: [StepReport] = []
    public var seconds: Double = 0
    /// What kept the run from beginning: a definition that is wrong, a plan that is stale. There are no steps then.
    public var error: FailureReport?

    public init(name: String) {
        self.name = name
    }

    /// The report of a run that did not begin.
    public init(name: String, began: Int64, error: any Error) {
        self.name = name
        self.began = began
        self.error = FailureReport(error)
    }

    public var failures: [FailureReport] { (error.map { [$0] } ?? []) + steps.flatMap(\.failures) }

    /// 0 if all of it worked; 65 if a check found damage; 3 if something else failed and at least one image was copied
    /// or already there; else the class of what failed.
    public var exitCode: Int32 {
        let failures = failures
        if failures.isEmpty { return 0 }
        let found = steps.filter { $0.kind.isCheck }.flatMap(\.failures)
        if found.contains(where: { $0.kind == .damaged }) { return FailureKind.damaged.exitCode }
        // To look at an image is not to have done something with it.
        let copies = steps.filter { !$0.kind.isCheck }
        if copies.contains(where: { $0.images.contains { $0.outcome != .failed } }) { return 3 }
        let kinds = Set(failures.map(\.kind))
        return (FailureKind.bySeverity.first { kinds.contains($0) } ?? .internal).exitCode
    }
}

public struct StepReport: Sendable {
    public enum Kind: String, Sendable {
        case copy, export, `import`, verify, repair, drill

        /// Whether it moves nothing, and says how things are.
        var isCheck: Bool { self == .verify || self == .drill }
    }

    public var name: String
    public var kind: Kind
    public var source: String
    public var target: String
    public var images: [ImageReport] = []
    /// What went wrong outside any image, such as a target that cannot be opened.
    public var error: FailureReport?
    /// The digest of the contents of an archive that was written.
    public var archive: String?
    public var notes: [String] = []
    public var seconds: Double = 0
    /// What verification compared: tags and digests on both sides.
    public var comparison: Comparison?
    /// What a rehearsal has shown.
    public var drill: DrillResult?
    /// Bytes read from sources.
    public var bytesMoved: Int64 = 0
    /// Bytes of blobs, each once, that were not sent because the target said that it held them.
    public var bytesTrusted: Int64 = 0
    /// Requests by kind, all registries together.
    public var requests: [String: Int] = [:]
    /// Each target by itself, where there are several.
    public var targets: [TargetReport] = []

    public init(name: String, kind: Kind, source: String, target: String) {
        self.name = name
        self.kind = kind
        self.source = source
        self.target = target
    }

    public var failures: [FailureReport] {
        (error.map { [$0] } ?? []) + targets.compactMap(\.error) + images.compactMap(\.error)
            + (comparison?.failures ?? [])
    }

    public func count(_ outcome: ImageReport.Outcome) -> Int { images.count { $0.outcome == outcome } }

    /// Images that arrived or were found right; an archive that was read as a whole stands for all of its own.
    public var imagesDone: Int { images.reduce(0) { $0 + ($1.outcome == .done ? $1.imageCount : 0) } }
}

/// One of several targets of a step.
public struct TargetReport: Sendable {
    public var target: String
    public var done = 0
    public var alreadyThere = 0
    public var failed = 0
    /// Bytes of blobs, each once, that were not sent because the target said that it held them.
    public var bytesTrusted: Int64 = 0
    /// The digest of the contents of an archive that was written.
    public var archive: String?
    /// What ended the work at this target, while it went on at the others.
    public var error: FailureReport?

    public init(target: String) {
        self.target = target
    }
}

public struct ImageReport: Sendable {
    public enum Outcome: String, Sendable {
        /// All of it is at the target now.
        case done
        case alreadyThere
        case failed
    }

    public var source: String
    public var target: String
    public var digest: Digest?
    public var outcome: Outcome
    /// Images that it stands for: those of an archive that was verified as a whole, else one.
    public var imageCount = 1
    /// Whether it is no image but a file or a folder that was read as a whole, or one thing that is wrong in it.
    public var isFile = false
    /// Bytes of all its manifests and blobs.
    public var size: Int64 = 0
    /// Bytes that were read from the source for it; shared blobs count for the first image that needs them.
    public var bytesMoved: Int64 = 0
    /// Bytes of blobs that came with another image of the run.
    public var bytesShared: Int64 = 0
    /// Bytes of blobs that the target said it held: its word, not read by us.
    public var bytesTrusted: Int64 = 0
    /// From its first blob to its tag; images under way at once overlap.
    public var seconds: Double = 0
    /// How often something of it was tried again: requests, blobs as a whole, manifests that were sent. What several
    /// images share is counted for each of them.
    public var retries = 0
    /// Where the target's tag pointed before, if it was moved.
    public var replaced: Digest?
    /// What it consists of; nil where that was not looked at, since the target's tag had the right digest.
    public var closure: Closure?
    /// What of it was missing or damaged.
    public var parts: [PartFinding] = []
    public var error: FailureReport?
    public var notes: [String] = []

    public init(source: String, target: String, digest: Digest?, outcome: Outcome) {
        self.source = source
        self.target = target
        self.digest = digest
        self.outcome = outcome
    }
}

/// A failure in a form that can be written down.
public struct FailureReport: Sendable {
    public var kind: FailureKind
    public var message: String
    public var advice: String?
    /// The store that the failure came from, where that is known.
    public var endpoint: String?
    /// How often it was tried in all.
    public var attempts: Int

    /// Whether the same again may succeed without anybody changing anything.
    public var isRetryable: Bool { kind == .unavailable || kind == .locked }

    /// - Parameters:
    ///   - stores: the names of the stores that took part; the one that the message names is the endpoint.
    ///   - attempts: how often it was tried.
    public init(_ error: any Error, among stores: [String] = [], attempts: Int = 1) {
        self.init(error)
        endpoint = stores.first { !$0.isEmpty && message.contains($0) }
        // What the message says counts too: requests are repeated by themselves.
        self.attempts = max(attempts, self.attempts)
    }

    public init(_ error: any Error) {
        attempts = (error as? RegistryError)?.attempts ?? 1
        kind = FailureKind(of: error)
        if let failure = error as? any Failure {
            message = failure.description
            advice = failure.advice
        } else if error is CancellationError {
            message = "stopped before it was done"
            advice = nil
        } else {
            message = shown("\(error)")
            advice = "this is a fault of lifeboat: please report it with the command that shows it"
        }
    }
}
