import OCI
import OCIArchive

/// Runs steps in order and reports what became of every image.
public struct Runner: Sendable {
    public let environment: RunEnvironment
    public let observe: RunObserver

    public init(_ environment: RunEnvironment, observe: @escaping RunObserver = { _ in }) {
        self.environment = environment
        self.observe = observe
    }

    /// Never throws: what goes wrong stands in the report, and `Report.exitCode` says it.
    public func run(_ steps: [Step], name: String) async -> Report {
        var report = Report(name: name)
        report.began = environment.surroundings.now()
        let began = ContinuousClock.now
        let runID = environment.surroundings.id()
        for (number, step) in steps.enumerated() {
            let result = await run(step, runID, pipeline: name)
            report.steps.append(result)
            let isUnplanned = step.mustBePlanned && result.images.isEmpty && result.error?.kind == .policy
            if !result.failures.isEmpty, step.onError == .stop || isUnplanned, number + 1 < steps.count {
                let left = steps[(number + 1)...].map(\.name).joined(separator: ", ")
                report.steps[report.steps.count - 1].notes.append("not run, because of the failures: \(left)")
                break
            }
            if Task.isCancelled { break }
        }
        report.seconds = began.duration(to: .now).seconds
        return report
    }

    /// What the steps would move; nothing is written.
    ///
    /// - Throws: what planning throws.
    public func plan(_ step: CopyStep) async throws -> Plan {
        try await withStores(environment) { stores in
            var targets: [Planner.Target] = []
            for target in step.targets { targets.append(try await stores.planningTarget(target, of: step)) }
            return try await plan(step, to: targets, stores: stores, spool: spool())
        }
    }

    private func run(_ step: Step, _ runID: String, pipeline: String) async -> StepReport {
        let began = ContinuousClock.now
        var report: StepReport
        switch step.work {
        case .copy(let copy):
            report = StepReport(
                name: step.name, kind: copy.kind,
                source: copy.sources.map(\.store.asSource).uniqued().joined(separator: ", "),
                target: copy.targetNames)
        case .verify(let verify):
            report = StepReport(
                name: step.name, kind: .verify,
                source: verify.sources.map(\.store.asSource).uniqued().joined(separator: ", "),
                target: verify.against?.description ?? "")
        case .drill(let drill):
            report = StepReport(name: step.name, kind: .drill, source: drill.store.description, target: "")
        }
        observe(.stepBegan(name: step.name, what: report.summary))
        do {
            try permit()
            report = try await withStores(environment.reading(for: step)) { [report] stores in
                var result: StepReport
                switch step.work {
                case .copy(let copy):
                    result = try await run(
                        copy, onError: step.onError, only: step.only, runID: runID, pipeline: pipeline, report, stores)
                case .verify(let verify): result = try await run(verify, report, stores)
                case .drill(let drill): result = try await run(drill, report)
                }
                result.requests = await stores.requestCounts()
                result.notes += await stores.notes()
                return result
            }
            report.notes += try await prune(report, step, pipeline: pipeline)
            report.notes += await writeRescueNotes(of: report.written(by: step))
        } catch {
            report.error = FailureReport(error)
        }
        report.seconds = began.duration(to: .now).seconds
        return report
    }

    /// - Throws: `LifeboatError` `.policy` outside of the definition's window.
    func permit() throws {
        try environment.settings.window?.check(environment.surroundings.now(), "nothing new is started")
    }

    /// Removes the oldest archives of a series, or backups of a set, to which a step has added one.
    private func prune(_ report: StepReport, _ step: Step, pipeline: String) async throws -> [String] {
        guard report.failures.isEmpty else { return [] }
        var notes: [String] = []
        for case .backups(let path, _) in step.work.writes {
            guard let retention = environment.settings.retention[path] else { continue }
            notes += try await retention.afterBackup(path, of: pipeline, in: environment)
        }
        for case .archive(let path) in report.written(by: step) {
            guard let series = environment.settings.series[path] else { continue }
            notes += try await series.prune(after: path, opening: environment.archiveOpening)
        }
        return notes
    }

    func spool() -> ManifestSpool {
        ManifestSpool(fileSystem: environment.fileSystem, folder: environment.workFolder)
    }

    func open(_ target: CopyTarget, of step: CopyStep, pipeline: String, _ stores: OpenStores) async throws
        -> Planner.Target
    {
        Planner.Target(
            store: try await stores.target(
                target.store, replacesFile: step.replacesFile, origin: step.origin,
                purpose: step.purpose(pipeline: pipeline, now: environment.surroundings.now())),
            naming: target.naming, overwrite: step.overwrite)
    }

    func plan(
        _ step: CopyStep, to targets: [Planner.Target], stores: OpenStores, spool: ManifestSpool,
        only: Set<String>? = nil, rotation: ReferrerRotation? = nil
    ) async throws -> Plan {
        let (sources, notes) = try await stores.sources(step.sources)
        if Set(sources.map(\.store.name)).count > 1, sources.contains(where: { $0.store is any SequentialSource }) {
            throw LifeboatError(
                .usage, "a compressed archive or a pipe is read once, in its order: it has to be the only source",
                advice: "import them one after the other")
        }
        var planner = Planner(targets: targets, spool: spool)
        planner.written = environment.writtenTags
        // A backup is of everything: what has arrived before is there and costs nothing.
        let only = targets.contains { $0.store is any PartialTarget } ? nil : only
        planner.only = only
        planner.rotation = rotation
        planner.guards = BackupGuard.all(of: targets, shrink: environment.settings.shrink)
        var plan = try await planner.plan(sources)
        plan.notes = notes + plan.notes
        // What was whole in it is taken; that it is damaged has to be said all the same.
        plan.doubt = sources.lazy.compactMap { ($0.store as? ArchiveSource)?.fault }.first ?? plan.doubt
        for rule in step.first where !plan.items.isEmpty {
            guard !plan.items.contains(where: { rule.matches($0.source) }) else { continue }
            plan.notes.append("first '\(rule.summary)' matches no image")
        }
        plan.putFirst(step.first)
        return plan
    }

    func add(_ failure: PlanFailure, to report: inout StepReport, among stores: [String]) {
        var image = ImageReport(source: failure.name, target: failure.target ?? "", digest: nil, outcome: .failed)
        image.error = FailureReport(failure.error, among: stores)
        report.images.append(image)
        observe(.imageEnded(image))
    }
}

extension RunEnvironment {
    /// An import that is to go on whatever fails takes from a damaged archive what is whole in it.
    fileprivate func reading(for step: Step) -> RunEnvironment {
        guard case .copy(let copy) = step.work, copy.kind != .export, step.onError == .continue else { return self }
        var environment = self
        environment.acceptsDamaged = true
        return environment
    }
}

extension StepReport {
    /// Targets of a copy that have an archive or a backup of it now.
    fileprivate func written(by step: Step) -> [StoreDefinition] {
        let written = Set(targets.filter { $0.archive != nil }.map(\.target))
        return step.work.writes.filter { archive != nil || written.contains($0.description) }
    }

    /// The step on one line, such as `export registry.example.com to x.tar`.
    var summary: String {
        switch kind {
        case .verify: target.isEmpty ? "verify \(source)" : "compare \(source) with \(target)"
        case .drill: "drill \(source)"
        default: "\(kind.rawValue) \(source) to \(target)"
        }
    }
}

extension Duration {
    public var seconds: Double {
        Double(components.seconds) + Double(components.attoseconds) / 1e18
    }
}

extension Array where Element: Hashable {
    /// Each element once, in order.
    func uniqued() -> [Element] {
        var seen: Set<Element> = []
        return filter { seen.insert($0).inserted }
    }
}
