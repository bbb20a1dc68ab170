import OCI

/// What a run of a pipeline will do: every step's images, bytes, requests and time.
public struct PipelinePlan: Sendable {
    /// What the plan was made from; nil for steps that stand in no file.
    public struct Definition: Sendable, Hashable {
        /// Its path; one that is relative starts from the folder that the plan lies in.
        public var file: String
        public var digest: Digest
        /// What `{date}` and `{time}` stand for: milliseconds since 1970.
        public var moment: Int64
        /// What its inputs stood for, wherever that came from, without secrets.
        public var inputs: [String: String]
        /// What other variables in it stood for, without secrets.
        public var variables: [String: String]

        public init(
            file: String, digest: Digest, moment: Int64, inputs: [String: String], variables: [String: String] = [:]
        ) {
            self.file = file
            self.digest = digest
            self.moment = moment
            self.inputs = inputs
            self.variables = variables
        }
    }

    public var name: String
    public var definition: Definition?
    public var steps: [StepPlan]

    public init(name: String, definition: Definition? = nil, steps: [StepPlan] = []) {
        self.name = name
        self.definition = definition
        self.steps = steps
    }

    /// Whether the run would write anything.
    public var hasChanges: Bool { steps.contains { $0.images.contains { $0.action.isChange } } }

    /// 0, or what the failures of planning come to: 3 where some images can be moved or need not be.
    public var exitCode: Int32 {
        let images = steps.flatMap(\.images)
        let kinds = Set(images.compactMap(\.failure?.kind) + steps.compactMap(\.error?.kind))
        if kinds.isEmpty { return 0 }
        if images.contains(where: { $0.failure == nil }) { return 3 }
        return (FailureKind.bySeverity.first { kinds.contains($0) } ?? .internal).exitCode
    }

    /// How long the run takes at least under the limits of its stores; nil where none has a limit.
    public var seconds: Double? {
        let times = steps.compactMap { $0.binding?.seconds }
        return times.isEmpty ? nil : times.reduce(0, +)
    }
}

/// One step of a plan.
public struct StepPlan: Sendable {
    public var name: String
    public var kind: StepReport.Kind
    public var source: String
    public var target: String
    public var images: [ImagePlan] = []
    /// Bytes to read from the sources at most: each blob and manifest once, whatever the target has of them.
    public var bytes: Int64 = 0
    /// Requests by host and kind that planning took.
    public var planning: [String: [String: Int]] = [:]
    /// Requests by host and kind of the run to come, at most; its own planning comes on top.
    public var requests: [String: [String: Int]] = [:]
    /// Bytes of bodies by host in the run to come, both directions.
    var traffic: [String: Int64] = [:]
    /// What each limit of a store allows.
    public var limits: [LimitEstimate] = []
    public var notes: [String] = []
    /// What keeps the whole step from being planned.
    public var error: FailureReport?
    /// The folder that relative paths in it start from; nil for the one that the process works in.
    var folder: String?

    public init(name: String, kind: StepReport.Kind, source: String, target: String) {
        self.name = name
        self.kind = kind
        self.source = source
        self.target = target
    }

    /// The limit that takes longest.
    public var binding: LimitEstimate? { limits.max { $0.seconds < $1.seconds } }

    public func count(_ action: ImagePlan.Action) -> Int { images.count { $0.action == action } }
}

/// One image of a plan.
public struct ImagePlan: Sendable {
    public enum Action: String, Sendable, CaseIterable {
        case copy
        /// Copied without some of the platforms that its index lists.
        case sparse
        /// Copied, and the target's tag is moved from another digest.
        case replace
        case alreadyThere
        /// The target's tag points elsewhere and is left alone.
        case conflict
        /// It cannot be read, or is not there.
        case failed

        var isChange: Bool { self == .copy || self == .sparse || self == .replace }
    }

    public var source: String
    public var target: String
    public var digest: Digest?
    public var action: Action
    /// The rule of the selection that chose it.
    public var rule: String
    /// Bytes of all its manifests and blobs.
    public var size: Int64 = 0
    /// Of these, the bytes that no image before it in the step brings.
    public var bytes: Int64 = 0
    /// What few images have; nil for nothing, so that the many are small.
    private var details: Details?

    private final class Details: Sendable {
        let replaces: Digest?
        let failure: FailureReport?

        init?(_ replaces: Digest?, _ failure: FailureReport?) {
            if replaces == nil, failure == nil { return nil }
            self.replaces = replaces
            self.failure = failure
        }
    }

    /// Where the target's tag points now, if it is to be moved.
    public var replaces: Digest? {
        get { details?.replaces }
        set { details = Details(newValue, failure) }
    }

    public var failure: FailureReport? {
        get { details?.failure }
        set { details = Details(replaces, newValue) }
    }

    public init(
        source: String, target: String, digest: Digest? = nil, action: Action, rule: String,
        failure: FailureReport? = nil
    ) {
        self.source = source
        self.target = target
        self.digest = digest
        self.action = action
        self.rule = rule
        details = Details(nil, failure)
    }
}

/// The shortest time that one limit of one store allows.
public struct LimitEstimate: Sendable, Hashable {
    public enum Kind: String, Sendable { case requests, bandwidth }

    public var store: String
    public var kind: Kind
    /// Requests or bytes a second.
    public var rate: Double
    /// Requests or bytes in all.
    public var amount: Double
    public var seconds: Double { amount / rate }
}
