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
        let began = ContinuousClock.now
        for (number, step) in steps.enumerated() {
            let result = await run(step)
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
            let target = try await stores.planningTarget(step)
            return try await plan(step, to: target, stores: stores, spool: spool())
        }
    }

    private func run(_ step: Step) async -> StepReport {
        let began = ContinuousClock.now
        var report: StepReport
        switch step.work {
        case .copy(let copy):
            report = StepReport(
                name: step.name, kind: copy.kind,
                source: copy.sources.map(\.store.description).uniqued().joined(separator: ", "),
                target: copy.target.description)
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
                case .copy(let copy): result = try await run(copy, onError: step.onError, report, stores)
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

    private func plan(
        _ step: CopyStep, to target: any TargetStore, stores: OpenStores, spool: ManifestSpool
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
        return try await Planner(target: target, naming: step.naming, overwrite: step.overwrite, spool: spool)
            .plan(sources)
    }

    // MARK: Copy

    private func run(_ step: CopyStep, onError: OnError, _ report: StepReport, _ stores: OpenStores) async throws
        -> StepReport
    {
        var report = report
        let target = try await stores.target(step.target, replacesFile: step.replacesFile, origin: step.origin)
        let spool = spool()
        var plan = try await plan(step, to: target, stores: stores, spool: spool)
        if let agreed = environment.agreed[report.name] {
            plan = try agreed.restrict(plan, target: target.name, isWhole: target is any PlannedTarget)
        }
        let toMove = plan.items.count { $0.action != .alreadyThere }
        observe(.planned(images: toMove, alreadyThere: plan.items.count - toMove, bytes: plan.bytes))
        for failure in plan.failures {
            var image = ImageReport(source: failure.name, target: "", digest: nil, outcome: .failed)
            image.error = FailureReport(failure.error)
            report.images.append(image)
            observe(.imageEnded(image))
        }
        for item in plan.items where item.action == .alreadyThere {
            let image = ImageReport(
                source: item.sourceName, target: item.targetName(in: target.name), digest: item.root.digest,
                outcome: .alreadyThere)
            report.images.append(image)
            observe(.imageEnded(image))
        }
        if target is any PlannedTarget {
            if let failure = plan.failures.first, onError == .stop {
                report.notes.append(
                    "\(target.name) was not written, since an image is missing from it: \(FailureReport(failure.error).message)"
                )
                return report
            }
            guard toMove > 0 else { return report }
        }
        let transfer = Transfer(
            target: target, spool: spool, surroundings: environment.surroundings, retry: environment.retry,
            concurrency: environment.concurrency, observe: observe, permit: { try permit() })
        let outcome = try await transfer.run(plan)
        report.images += outcome.reports
        report.bytesMoved = outcome.bytesMoved
        report.bytesTrusted = outcome.bytesTrusted
        report.archive = outcome.archive?.description
        try await spool.close()
        return report
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
        var selected: [NamedImage] = []
        for source in step.sources {
            let outcome = try await Selector(store: try await stores.source(source.store)).select(source.selection)
            selected += outcome.selected.map(\.image)
            for failure in outcome.failures {
                var image = ImageReport(source: failure.name, target: "", digest: nil, outcome: .failed)
                image.error = FailureReport(failure.error)
                report.images.append(image)
            }
        }
        let comparison = try await Comparison.compare(
            selected, of: report.source, with: other, naming: step.naming, concurrency: 16)
        report.comparison = comparison
        return report
    }

    /// Files are verified as files, every byte of them; images of a registry by reading all that belongs to them.
    private func readAll(_ step: VerifyStep, _ report: StepReport, _ stores: OpenStores) async throws -> StepReport {
        var report = report
        for file in step.sources.map(\.store).uniqued() {
            report.images += try await FileVerification(environment: environment, observe: observe).verify(file)
        }
        let images = step.sources.filter { if case .registry = $0.store { true } else { false } }
        guard !images.isEmpty else { return report }
        let spool = spool()
        var sources: [Planner.Source] = []
        for source in images {
            sources.append(Planner.Source(store: try await stores.source(source.store), selection: source.selection))
        }
        let plan = try await Planner(target: Nowhere(), naming: Naming(), overwrite: .never, spool: spool).plan(sources)
        observe(.planned(images: plan.items.count, alreadyThere: 0, bytes: plan.bytes))
        for failure in plan.failures {
            var image = ImageReport(source: failure.name, target: "", digest: nil, outcome: .failed)
            image.error = FailureReport(failure.error)
            report.images.append(image)
            observe(.imageEnded(image))
        }
        let outcome = try await Transfer(
            target: Nowhere(), spool: spool, surroundings: environment.surroundings, retry: environment.retry,
            concurrency: environment.concurrency, observe: observe
        ).run(plan)
        report.images += outcome.reports
        report.bytesMoved += outcome.bytesMoved
        try await spool.close()
        return report
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
