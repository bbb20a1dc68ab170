import OCI

/// What is remembered of a pipeline from run to run.
///
/// Moments are milliseconds since 1970.
public struct RunRecord: Sendable, Hashable {
    /// How a run ended.
    public struct Outcome: Sendable, Hashable {
        public var began: Int64
        public var ended: Int64
        public var exitCode: Int32
        /// Whether it was stopped from outside before it was done: neither a success nor a failure.
        public var wasStopped = false
        public var done = 0
        public var alreadyThere = 0
        public var failed = 0
        /// Bytes read from sources.
        public var bytesMoved: Int64 = 0
        /// How many failures there were of each class.
        public var failures: [String: Int] = [:]
        /// What the worst of them says.
        public var message: String?
        public var advice: String?

        public var isSuccess: Bool { exitCode == 0 && !wasStopped }
        public var seconds: Double { Double(ended - began) / 1000 }
    }

    /// The definition, absolute: what tells one pipeline from another.
    public let file: String
    public var name: String
    public var schedule: Schedule?
    public var objectives = Objectives()
    /// The last run.
    public var last: Outcome?
    /// When the last success ended.
    public var lastSuccess: Int64?
    /// When the newest run began that brought a good backup: what it holds is not older.
    public var lastBackup: Int64?
    /// When something was verified, and nothing found.
    public var lastVerify: Int64?
    public var lastDrill: Int64?
    /// When the first of the failures ended that no success has followed; nil if the last run succeeded.
    public var failingSince: Int64?
    public var successes: Int64 = 0
    public var failures: Int64 = 0
    /// The times of the schedule up to here are dealt with.
    public var settled: Int64?
    /// Folders of backup sets that it writes.
    public var sets: [String] = []
    /// Marks of the channels that know of the failure.
    var told: Set<String> = []
    /// Marks of the channels that are still to be told of the recovery.
    var owed: Set<String> = []

    public init(file: String, name: String) {
        self.file = file
        self.name = name
    }

    public var isFailing: Bool { failingSince != nil }
}

extension RunRecord.Outcome {
    /// What a report comes to.
    init(_ report: Report, ended: Int64) {
        self.init(began: report.began, ended: ended, exitCode: report.exitCode)
        for step in report.steps {
            done += step.count(.done)
            alreadyThere += step.count(.alreadyThere)
            failed += step.count(.failed)
            bytesMoved += step.bytesMoved
            for failure in step.failures { failures[failure.kind.rawValue, default: 0] += 1 }
        }
        let worst = report.failureGroups.first
        message = worst?.message
        advice = worst?.advice
    }

    /// A run that came to nothing, such as one whose definition cannot be read.
    init(_ error: any Error, began: Int64, ended: Int64) {
        let failure = FailureReport(error)
        self.init(began: began, ended: ended, exitCode: failure.kind.exitCode)
        failures = [failure.kind.rawValue: 1]
        message = failure.message
        advice = failure.advice
    }
}

extension RunRecord {
    /// Takes in how a run ended.
    ///
    /// - Parameter report: nil where there is none.
    mutating func note(_ outcome: Outcome, _ report: Report?, of steps: [Step]) {
        last = outcome
        if let report { noteSteps(report, steps, ended: outcome.ended) }
        if outcome.wasStopped { return }
        if outcome.isSuccess {
            successes += 1
            lastSuccess = outcome.ended
            failingSince = nil
        } else {
            failures += 1
            failingSince = failingSince ?? outcome.ended
        }
    }

    private mutating func noteSteps(_ report: Report, _ steps: [Step], ended: Int64) {
        let verifications = report.steps.filter { $0.kind == .verify }
        if verifications.contains(where: { $0.failures.isEmpty }) { lastVerify = ended }
        if report.steps.contains(where: { $0.kind == .drill && $0.failures.isEmpty }) { lastDrill = ended }
        // What is exported is the backup; a pipeline without an export keeps another registry in step instead.
        let wanted = steps.copies(.export).isEmpty ? steps.copies(.import) : steps.copies(.export)
        let good = Set(report.steps.filter { $0.failures.isEmpty }.map(\.name))
        let isVerified = verifications.allSatisfy { $0.failures.isEmpty }
        if !wanted.isEmpty, wanted.allSatisfy({ good.contains($0) }), isVerified { lastBackup = report.began }
    }
}

extension [Step] {
    /// Names of the steps that copy in one way.
    fileprivate func copies(_ kind: StepReport.Kind) -> [String] {
        compactMap { if case .copy(let copy) = $0.work, copy.kind == kind { $0.name } else { nil } }
    }
}
