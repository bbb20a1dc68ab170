import OCI

/// What must be reached in an outage; nil for what nobody has set.
public struct DrillObjectives: Sendable, Hashable {
    /// The longest time to a full restore, in seconds (recovery time objective).
    public var rto: Double?
    /// The greatest age of the newest good backup, in seconds (recovery point objective).
    public var rpo: Double?

    public init(rto: Double? = nil, rpo: Double? = nil) {
        self.rto = rto
        self.rpo = rpo
    }
}

/// What a drill has shown.
public struct DrillResult: Sendable {
    public var store: String
    /// When it was, in seconds since 1970.
    public var at: Int64
    public var objectives: DrillObjectives
    public var backup: Digest?
    /// When the backup was made, in seconds since 1970; nil where nobody knows.
    public var backupTime: Int64?
    /// The images that were restored, by name.
    public var images: [String] = []
    public var imagesInAll = 0
    /// Bytes of these images, each once.
    public var bytes: Int64 = 0
    public var bytesInAll: Int64 = 0
    /// From the beginning to the last byte of the first image, served from the backup.
    public var secondsToFirstPull: Double?
    public var secondsToRestore: Double?
    public var secondsToPullBack: Double?
    /// Bytes that were read back from the throw-away registry, every one checked.
    public var bytesChecked: Int64 = 0
    public var failures: [FailureReport] = []

    public init(store: String, at: Int64, objectives: DrillObjectives) {
        self.store = store
        self.at = at
        self.objectives = objectives
    }

    /// Whether all images were restored, and not a sample of them.
    public var isWhole: Bool { images.count == imagesInAll }

    /// The time that a restore of everything takes: measured, or for a sample in proportion to its bytes.
    public var secondsToFullRestore: Double? {
        guard let secondsToRestore else { return nil }
        guard !isWhole, bytes > 0 else { return secondsToRestore }
        return secondsToRestore * Double(bytesInAll) / Double(bytes)
    }

    /// The age of the backup in seconds.
    public var age: Int64? { backupTime.map { max(0, at - $0) } }

    /// Whether an objective is reached; nil where none is set. What could not be measured is not reached.
    public var reachesRTO: Bool? { objectives.rto.map { rto in secondsToFullRestore.map { $0 <= rto } ?? false } }
    public var reachesRPO: Bool? { objectives.rpo.map { rpo in age.map { Double($0) <= rpo } ?? false } }

    public var hasPassed: Bool { failures.isEmpty && reachesRTO != false && reachesRPO != false }

    /// 0 if all of it went well; the class of the first failure by severity; 78 for an objective that is missed.
    public var exitCode: Int32 { worst?.kind.exitCode ?? 0 }

    /// What went wrong, or which objective was missed; nil if all of it went well.
    var worst: FailureReport? {
        let kinds = Set(failures.map(\.kind))
        if let kind = FailureKind.bySeverity.first(where: kinds.contains) {
            return failures.first { $0.kind == kind }
        }
        if reachesRTO == false, let rto = objectives.rto {
            let took = secondsToFullRestore.map { "takes \(isWhole ? "" : "about ")\(Figures.time($0))" }
            return FailureReport(
                LifeboatError(
                    .policy, "a full restore of \(store) \(took ?? "did not end"), want \(Figures.time(rto)) at most"))
        }
        if reachesRPO == false, let rpo = objectives.rpo {
            let age = age.map { "is \(Figures.span($0 * 1000)) old" }
            return FailureReport(
                LifeboatError(
                    .policy,
                    "the newest good backup of \(store) \(age ?? "has no date"), want \(Figures.time(rpo)) at most"))
        }
        return nil
    }

    mutating func add(_ step: StepReport) {
        failures += step.failures
        switch step.kind {
        case .verify:
            secondsToPullBack = (secondsToPullBack ?? 0) + step.seconds
            bytesChecked += step.bytesMoved
        default: secondsToRestore = (secondsToRestore ?? 0) + step.seconds
        }
    }
}
