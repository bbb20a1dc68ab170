import OCI
import OCIArchive

/// Copies: export, import, copy.
extension Runner {
    func run(
        _ step: CopyStep, onError: OnError, only: Set<String>?, runID: String, pipeline: String, _ report: StepReport,
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
            if case .layout(let path) = target.store, step.kind == .export,
                try await environment.fileSystem.status(path + "/oci-layout", followLinks: true) == nil
            {
                report.notes.append(
                    "\(shown(path, limit: 1000)) is a new OCI layout folder and no backup set, which lifeboat backups "
                        + "init makes")
            }
            do {
                targets.append(try await open(target, of: step, pipeline: pipeline, stores))
                names.append(target.store.asTarget)
            } catch  where step.targets.count > 1 && !(error is CancellationError) {
                lost.append(TargetReport(target: target.store.asTarget, error: FailureReport(error)))
            }
        }
        if targets.isEmpty {
            report.targets = lost
            return report
        }
        let spool = spool()
        let rotation = environment.rotation()
        var plan = try await plan(step, to: targets, stores: stores, spool: spool, only: only, rotation: rotation)
        report.notes += plan.notes
        if let agreed = environment.agreed[report.name] {
            plan = try agreed.restrict(plan, isWhole: targets[0].store is any PlannedTarget)
        }
        for (number, target) in step.targets.enumerated() where targets.count == step.targets.count {
            guard let creation = environment.creation(at: target.store) else { continue }
            let made = try await creation.prepare(&plan, target: number, store: targets[number].store)
            if !made.isEmpty {
                report.notes.append(
                    "made at \(target.store.description): " + made.map(\.description).joined(separator: ", "))
            }
        }
        let toMove = plan.items.count { $0.action != .alreadyThere }
        let there = plan.items.count { plan.isThere($0) }
        observe(.planned(images: plan.items.count - there, alreadyThere: there, bytes: plan.bytes))
        for failure in plan.failures {
            add(failure, to: &report, among: targets.map(\.store.name) + step.sources.map(\.store.description))
        }
        if step.repairs { report.images += try await repair(plan, targets) }
        for item in plan.items where item.action == .alreadyThere && !step.repairs {
            let image = ImageReport(
                source: item.sourceName, target: item.targetName, digest: item.root.digest, outcome: .alreadyThere)
            report.images.append(image)
            observe(.imageEnded(image))
        }
        let whole = targets.indices.filter {
            targets[$0].store is any PlannedTarget && !(targets[$0].store is any PartialTarget)
        }
        // What only another target lacks is not missing from these.
        let missing = plan.failures.first { $0.targetNumber.map(whole.contains) ?? !whole.isEmpty }
        if let failure = missing, onError == .stop {
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
        await rotation.record(plan, outcome.reports)
        if let fault = await rotation.fault { report.notes.append("referrers are looked up in each run: \(fault)") }
        report.error = (outcome.sourceError ?? plan.doubt).map { FailureReport($0) }
        let suspects = Dictionary(
            plan.suspects.map { number, error in
                (number, FailureReport(BackupGuard.named(error, outcome.targets[number].archive)))
            }
        ) { first, _ in first }
        report.images += outcome.reports
        report.bytesMoved = outcome.bytesMoved
        report.bytesTrusted = outcome.targets.reduce(0) { $0 + $1.bytesTrusted }
        report.notes += outcome.notes
        for (target, outcome) in zip(targets, outcome.targets) where outcome.archive != nil {
            report.notes += (target.store as? any PlannedTarget)?.notes ?? []
        }
        if step.targets.count > 1 {
            report.targets =
                zip(targets.indices, outcome.targets).map { number, outcome in
                    var target = TargetReport(names[number], number, plan, outcome)
                    target.error = target.error ?? suspects[number]
                    return target
                } + lost
        } else {
            report.archive = outcome.targets[0].archive?.description
            report.error = report.error ?? suspects[0]
        }
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
        alreadyThere =
            plan.items.count { $0.target == number && $0.action == .alreadyThere } + outcome.alreadyThere
        done = outcome.done
        failed = outcome.failed + plan.failures.count { $0.targetNumber == nil || $0.targetNumber == number }
        bytesTrusted = outcome.bytesTrusted
        archive = outcome.archive?.description
        error = outcome.error.map { FailureReport($0) }
    }
}
