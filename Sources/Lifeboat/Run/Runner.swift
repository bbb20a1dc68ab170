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
            let result = await run(step, runID)
            report.steps.append(result)
            if !result.failures.isEmpty, step.onError == .stop, number + 1 < steps.count {
                let left = steps[(number + 1)...].map(\.name).joined(separator: ", ")
                report.steps[number].notes.append("not run, because of the failures: \(left)")
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

    private func run(_ step: Step, _ runID: String) async -> StepReport {
        let began = ContinuousClock.now
        var report: StepReport
        switch step.work {
        case .copy(let copy):
            report = StepReport(
                name: step.name, kind: copy.kind,
                source: copy.sources.map(\.store.description).uniqued().joined(separator: ", "),
                target: copy.targetNames)
        case .verify(let verify):
            report = StepReport(
                name: step.name, kind: .verify,
                source: verify.sources.map(\.store.description).uniqued().joined(separator: ", "),
                target: verify.against?.description ?? "")
        }
        observe(.stepBegan(name: step.name, what: report.summary))
        do {
            try permit()
            report = try await withStores(environment) { [report] stores in
                var result: StepReport
                switch step.work {
                case .copy(let copy):
                    result = try await run(copy, onError: step.onError, only: step.only, runID: runID, report, stores)
                case .verify(let verify): result = try await run(verify, report, stores)
                }
                result.requests = await stores.requestCounts()
                return result
            }
            report.notes += try await prune(report, step)
        } catch {
            report.error = FailureReport(error)
        }
        report.seconds = began.duration(to: .now).seconds
        return report
    }

    /// - Throws: `LifeboatError` `.policy` outside of the definition's window.
    private func permit() throws {
        try environment.settings.window?.check(environment.surroundings.now(), "nothing new is started")
    }

    /// Removes the oldest archives of a series to which a step has added one.
    private func prune(_ report: StepReport, _ step: Step) async throws -> [String] {
        guard report.failures.isEmpty, report.archive != nil else { return [] }
        var notes: [String] = []
        for case .archive(let path) in step.work.writes {
            guard let series = environment.settings.series[path] else { continue }
            notes += try await series.prune(after: path, opening: environment.archiveOpening)
        }
        return notes
    }

    private func spool() -> ManifestSpool {
        ManifestSpool(fileSystem: environment.fileSystem, folder: environment.workFolder)
    }

    private func open(_ target: CopyTarget, of step: CopyStep, _ stores: OpenStores) async throws -> Planner.Target {
        Planner.Target(
            store: try await stores.target(target.store, replacesFile: step.replacesFile, origin: step.origin),
            naming: target.naming, overwrite: step.overwrite)
    }

    private func plan(
        _ step: CopyStep, to targets: [Planner.Target], stores: OpenStores, spool: ManifestSpool,
        only: Set<String>? = nil
    ) async throws -> Plan {
        var sources: [Planner.Source] = []
        for source in step.sources {
            sources.append(Planner.Source(store: try await stores.source(source.store), selection: source.selection))
        }
        if Set(step.sources.map(\.store)).count > 1, sources.contains(where: { $0.store is any SequentialSource }) {
            throw LifeboatError(
                .usage, "a compressed archive or a pipe is read once, in its order: it has to be the only source",
                advice: "import them one after the other")
        }
        var planner = Planner(targets: targets, spool: spool)
        planner.written = environment.writtenTags
        planner.only = only
        return try await planner.plan(sources)
    }

    // MARK: Copy

    private func run(
        _ step: CopyStep, onError: OnError, only: Set<String>?, runID: String, _ report: StepReport,
        _ stores: OpenStores
    ) async throws -> StepReport {
        guard Set(step.targets.map(\.store)).count == step.targets.count else {
            throw LifeboatError(.usage, "the same target is given twice: \(step.targetNames)")
        }
        var report = report
        var targets: [Planner.Target] = []
        var names: [String] = []
        var lost: [TargetReport] = []
        for target in step.targets {
            do {
                targets.append(try await open(target, of: step, stores))
                names.append(target.store.description)
            } catch  where step.targets.count > 1 && !(error is CancellationError) {
                lost.append(TargetReport(target: target.store.description, error: FailureReport(error)))
            }
        }
        if targets.isEmpty {
            report.targets = lost
            return report
        }
        let spool = spool()
        var plan = try await plan(step, to: targets, stores: stores, spool: spool, only: only)
        report.notes += plan.notes
        if let agreed = environment.agreed[report.name] {
            plan = try agreed.restrict(plan, isWhole: targets[0].store is any PlannedTarget)
        }
        let toMove = plan.items.count { $0.action != .alreadyThere }
        observe(.planned(images: toMove, alreadyThere: plan.items.count - toMove, bytes: plan.bytes))
        for failure in plan.failures {
            add(failure, to: &report, among: targets.map(\.store.name) + step.sources.map(\.store.description))
        }
        for item in plan.items where item.action == .alreadyThere {
            let image = ImageReport(
                source: item.sourceName, target: item.targetName, digest: item.root.digest, outcome: .alreadyThere)
            report.images.append(image)
            observe(.imageEnded(image))
        }
        if targets[0].store is any PlannedTarget, let failure = plan.failures.first, onError == .stop {
            report.notes.append(
                "\(names.joined(separator: ", ")) was not written, since an image is missing from it: \(FailureReport(failure.error).message)"
            )
            return report
        }
        guard toMove > 0 || !(targets[0].store is any PlannedTarget) else { return report }
        let transfer = Transfer(
            targets: targets.map(\.store), spool: spool, surroundings: environment.surroundings,
            retry: environment.retry, concurrency: environment.concurrency,
            mostConcurrency: environment.mostConcurrency,
            written: step.kind == .export ? nil : environment.writtenTags, runID: runID, observe: observe,
            permit: { try permit() })
        let outcome = try await transfer.run(plan)
        report.error = outcome.sourceError.map { FailureReport($0) }
        report.images += outcome.reports
        report.bytesMoved = outcome.bytesMoved
        report.bytesTrusted = outcome.targets.reduce(0) { $0 + $1.bytesTrusted }
        report.notes += outcome.notes
        if step.targets.count > 1 {
            report.targets =
                zip(targets.indices, outcome.targets).map { number, outcome in
                    TargetReport(names[number], number, plan, outcome)
                } + lost
        } else {
            report.archive = outcome.targets[0].archive?.description
        }
        try await spool.close()
        return report
    }

    private func add(_ failure: PlanFailure, to report: inout StepReport, among stores: [String]) {
        var image = ImageReport(source: failure.name, target: failure.target ?? "", digest: nil, outcome: .failed)
        image.error = FailureReport(failure.error, among: stores)
        report.images.append(image)
        observe(.imageEnded(image))
    }

    // MARK: Verify

    private func run(_ step: VerifyStep, _ report: StepReport, _ stores: OpenStores) async throws -> StepReport {
        if let against = step.against {
            try await compare(step, with: against, report, stores)
        } else {
            try await readAll(step, report, stores)
        }
    }

    private func compare(
        _ step: VerifyStep, with against: StoreDefinition, _ report: StepReport, _ stores: OpenStores
    ) async throws -> StepReport {
        var report = report
        let other = try await stores.source(against)
        let spool = spool()
        for source in step.sources {
            let store = try await stores.source(source.store)
            let outcome = try await Selector(store: store).select(source.selection)
            report.notes += outcome.notes
            for failure in outcome.failures {
                var image = ImageReport(source: failure.name, target: "", digest: nil, outcome: .failed)
                image.error = FailureReport(failure.error, among: [store.name])
                report.images.append(image)
            }
            let result = try await StoreComparison(other: other, naming: step.naming, spool: spool)
                .compare(outcome.selected, by: source.selection, from: store)
            report.comparison = report.comparison.map { $0.joined(with: result.comparison) } ?? result.comparison
            if step.reread == .compared { try await reread(result.present, of: other, against, &report, spool) }
        }
        try await spool.close()
        if step.reread == .listed {
            report = try await readAll(step, report, stores)
            report.noteReread()
        }
        return report
    }

    /// Reads every byte that the compared side has under the names that were compared; a file is read as a whole.
    private func reread(
        _ present: [StoreComparison.Present], of store: any SourceStore, _ definition: StoreDefinition,
        _ report: inout StepReport, _ spool: ManifestSpool
    ) async throws {
        let images: [ImageReport]
        if case .registry = definition {
            let graphs = try await map(present, limit: 16) { present -> (NamedImage, Result<ImageGraph, any Error>) in
                do {
                    let reader = SpooledReader(source: try await store.source(present.image.repository), spool: spool)
                    let platforms = present.platforms.count > 1 ? present.platforms : []
                    return (
                        present.image,
                        .success(
                            try await ImageGraph.read(present.image.descriptor, platforms: platforms, from: reader))
                    )
                } catch let error as any Failure where error.kind != .internal && error.kind != .local {
                    return (present.image, .failure(error))
                }
            }
            var plan = Plan()
            var failed: [ImageReport] = []
            for (image, graph) in graphs {
                switch graph {
                case .success(let graph):
                    plan.items.append(
                        PlanItem(
                            source: image, store: store, targetRepository: image.repository, targetTag: image.tag,
                            action: .copy, graph: graph))
                case .failure(let error):
                    var report = ImageReport(
                        source: store.name + "/" + image.name, target: "", digest: image.descriptor.digest,
                        outcome: .failed)
                    report.error = FailureReport(error, among: [store.name])
                    failed.append(report)
                }
            }
            observe(.planned(images: plan.items.count, alreadyThere: 0, bytes: plan.bytes))
            let outcome = try await Transfer(
                targets: [Nowhere()], spool: spool, surroundings: environment.surroundings, retry: environment.retry,
                concurrency: environment.concurrency,
                mostConcurrency: environment.mostConcurrency, observe: observe
            ).run(plan)
            report.bytesMoved += outcome.bytesMoved
            images = failed + outcome.reports
        } else {
            images = try await FileVerification(environment: environment, observe: observe).verify(definition)
            report.bytesMoved += images.reduce(0) { $0 + $1.bytesMoved }
        }
        report.images += images
        report.noteReread()
    }

    /// Files are verified as files, every byte of them; images of a registry by reading all that belongs to them.
    private func readAll(_ step: VerifyStep, _ report: StepReport, _ stores: OpenStores) async throws -> StepReport {
        var report = report
        for file in step.sources.map(\.store).uniqued() {
            let images = try await FileVerification(environment: environment, observe: observe).verify(file)
            report.images += images
            report.bytesMoved += images.reduce(0) { $0 + $1.bytesMoved }
        }
        let images = step.sources.filter { if case .registry = $0.store { true } else { false } }
        guard !images.isEmpty else { return report }
        let spool = spool()
        var sources: [Planner.Source] = []
        for source in images {
            sources.append(Planner.Source(store: try await stores.source(source.store), selection: source.selection))
        }
        let plan = try await Planner(target: Nowhere(), naming: Naming(), overwrite: .never, spool: spool).plan(sources)
        report.notes += plan.notes
        observe(.planned(images: plan.items.count, alreadyThere: 0, bytes: plan.bytes))
        for failure in plan.failures { add(failure, to: &report, among: step.sources.map(\.store.description)) }
        let outcome = try await Transfer(
            targets: [Nowhere()], spool: spool, surroundings: environment.surroundings, retry: environment.retry,
            concurrency: environment.concurrency,
            mostConcurrency: environment.mostConcurrency, observe: observe
        ).run(plan)
        report.images += outcome.reports
        report.bytesMoved += outcome.bytesMoved
        try await spool.close()
        return report
    }
}

extension TargetReport {
    init(target: String, error: FailureReport) {
        self.init(target: target)
        self.error = error
    }

    /// - Parameter number: the target's place among those of the plan.
    init(_ name: String, _ number: Int, _ plan: Plan, _ outcome: Transfer.TargetOutcome) {
        self.init(target: name)
        alreadyThere = plan.items.count { $0.target == number && $0.action == .alreadyThere }
        done = outcome.done
        failed = outcome.failed + plan.failures.count { $0.targetNumber == nil || $0.targetNumber == number }
        bytesTrusted = outcome.bytesTrusted
        archive = outcome.archive?.description
        error = outcome.error.map { FailureReport($0) }
    }
}

extension StepReport {
    /// The step on one line, such as `export registry.example.com to x.tar`.
    var summary: String {
        switch kind {
        case .verify: target.isEmpty ? "verify \(source)" : "compare \(source) with \(target)"
        default: "\(kind.rawValue) \(source) to \(target)"
        }
    }
}

extension StepReport {
    /// A file that is read as a whole is one entry of the report: sound, it stands for all the images in it.
    fileprivate mutating func noteReread() {
        guard let comparison else { return }
        let images = count(.failed) == 0 ? comparison.comparedCount : count(.done)
        self.comparison?.reread = Comparison.Reread(images: images, bytes: bytesMoved)
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
