import OCI
import OCIArchive
import OCIRegistry

/// Plans the steps of a pipeline one after the other, each as if those before it had run. Writes nothing.
public struct PipelinePlanner: Sendable {
    public let environment: RunEnvironment

    public init(_ environment: RunEnvironment) {
        self.environment = environment
    }

    /// - Throws: `CancellationError`, and faults of this machine or of ours; what else goes wrong stands in the plan.
    public func plan(_ steps: [Step], name: String) async throws -> PipelinePlan {
        var plan = PipelinePlan(name: name)
        var written: [String: PlannedImages] = [:]
        var spools: [ManifestSpool] = []
        for (number, step) in steps.enumerated() {
            // What later steps read or write is as this one leaves it.
            let later = Set(steps[(number + 1)...].flatMap { $0.work.reads + $0.work.writes }.map(\.place))
            let spool = ManifestSpool(fileSystem: environment.fileSystem, folder: environment.workFolder)
            spools.append(spool)
            var planned = StepPlan(step)
            do {
                if case .copy(let copy) = step.work {
                    let (result, moves) = try await self.plan(copy, name, planned, written, spool)
                    planned = result
                    for (number, target) in copy.targets.enumerated() where later.contains(target.store.place) {
                        let place = target.store.place
                        let images = written[place] ?? PlannedImages()
                        await images.add(moves.items, for: number, spool: spool)
                        written[place] = images
                    }
                } else if case .drill(let drill) = step.work {
                    planned.notes.append(drill.words)
                } else {
                    planned.notes.append("reads and compares when the steps before it have ended; writes nothing")
                }
            } catch let error as any Failure where error.kind != .internal && error.kind != .local {
                planned.error = FailureReport(error)
            }
            plan.steps.append(planned)
        }
        for spool in spools { try await spool.close() }
        return plan
    }

    private func plan(
        _ step: CopyStep, _ pipeline: String, _ report: StepPlan, _ written: [String: PlannedImages],
        _ spool: ManifestSpool
    ) async throws -> (StepPlan, Plan) {
        try await withStores(environment) { stores in
            var report = report
            var sources: [Planner.Source] = []
            if step.sources.contains(where: { written[$0.store.place] != nil }) {
                for source in step.sources {
                    let store = try await stores.source(source.store, after: written[source.store.place])
                    sources.append(Planner.Source(store: store, selection: source.selection))
                }
            } else {
                let opened = try await stores.sources(step.sources)
                sources = opened.sources
                report.notes += opened.notes
            }
            var targets: [Planner.Target] = []
            for target in step.targets {
                targets.append(
                    try await stores.planningTarget(
                        target, of: step, pipeline: pipeline, after: written[target.store.place]))
            }
            var plan = try await planner(for: targets, spool).plan(sources)
            report.notes += plan.notes
            if let doubt = plan.doubt { report.notes.append(doubt.description) }
            for (_, suspect) in plan.suspects.sorted(by: { $0.key < $1.key }) {
                report.notes.append(suspect.description)
            }
            if let agreed = environment.agreed[report.name] {
                plan = try agreed.restrict(plan, isWhole: targets[0].store is any PlannedTarget)
            }
            for (number, target) in step.targets.enumerated() where environment.creation(at: target.store) != nil {
                let missing = try await RepositoryCreation.missing(
                    in: plan, target: number, store: targets[number].store)
                if !missing.isEmpty {
                    report.notes.append(
                        "\(target.store.description) lacks \(Figures.count(missing.count, "repository")), which the run "
                            + "makes: " + missing.map(\.description).joined(separator: ", "))
                }
            }
            report.fill(from: plan, targets: targets.map(\.store))
            for (number, target) in step.targets.enumerated() {
                guard case .archive(let path) = target.store else { continue }
                try await compare(&report, with: path, plan.items, for: number, step)
            }
            report.estimate(await stores.requestsByRegistry())
            return (report, plan)
        }
    }

    /// One for each step: what it has learned goes with it, before the plan is added up.
    private func planner(for targets: [Planner.Target], _ spool: ManifestSpool) -> Planner {
        var planner = Planner(targets: targets, spool: spool)
        planner.written = environment.writtenTags
        planner.rotation = environment.rotation()
        planner.guards = BackupGuard.all(of: targets, shrink: environment.settings.shrink)
        return planner
    }

    /// An archive is written as a whole: it is there already, or a file of that name is in the way.
    private func compare(
        _ report: inout StepPlan, with path: String, _ items: [PlanItem], for target: Int, _ step: CopyStep
    ) async throws {
        guard path != "-", try await archiveExists(path, environment.fileSystem) else { return }
        var isSame = false
        do {
            let present = try await openArchive(path, environment.archiveOpening).images()
            func lines(_ images: [(NamedImage)]) -> Set<String> {
                Set(images.filter { $0.tag != nil }.map { "\($0.name) \($0.descriptor.digest)" })
            }
            let planned = items.filter { $0.target == target }.map { item in
                NamedImage(
                    registry: nil, repository: item.targetRepository, tag: item.targetTag, descriptor: item.root)
            }
            isSame = lines(present) == lines(planned)
        } catch let error as any Failure where error.kind != .local {
            report.notes.append("\(shown(path, limit: 1000)) is there and cannot be read: \(error.description)")
        }
        let conflict = LifeboatError(
            .conflict, "\(shown(path, limit: 1000)) exists and holds something else",
            advice: "force: true (--force) replaces it, or choose another name")
        for number in report.images.indices where report.images[number].action.isChange {
            if isSame {
                report.images[number].action = .alreadyThere
                report.images[number].bytes = 0
            } else if !step.replacesFile {
                report.images[number].action = .conflict
                report.images[number].failure = FailureReport(conflict)
            }
        }
        if isSame {
            report.bytes = 0
            report.requests = [:]
            report.traffic = [:]
            report.notes.append("\(shown(path, limit: 1000)) holds these images already; the run verifies it")
        }
    }
}

extension StepPlan {
    init(_ step: Step) {
        switch step.work {
        case .copy(let copy):
            self.init(
                name: step.name, kind: copy.kind,
                source: copy.sources.map(\.store.asSource).uniqued().joined(separator: ", "),
                target: copy.targetNames)
        case .verify(let verify):
            self.init(
                name: step.name, kind: .verify,
                source: verify.sources.map(\.store.asSource).uniqued().joined(separator: ", "),
                target: verify.against?.description ?? "")
        case .drill(let drill):
            self.init(name: step.name, kind: .drill, source: drill.store.description, target: "")
        }
    }
}

extension StoreDefinition {
    /// What tells stores apart, whatever part of a registry is meant.
    var place: String {
        switch self {
        case .registry(let host, _): "registry " + host
        case .archive(let path), .layout(let path), .backups(let path, _): "file " + path
        }
    }
}

extension OpenStores {
    /// A store as it will be after the steps before.
    func source(_ definition: StoreDefinition, after planned: PlannedImages?) async throws -> any SourceStore {
        guard let planned else { return try await source(definition) }
        switch definition {
        case .registry(let host, let prefix):
            return PlannedRegistry(images: planned, base: try registry(host, definition)).under(prefix)
        case .archive(let path): return PlannedCatalog(images: planned, base: nil, name: path)
        case .layout(let path):
            let base = try await exists(path) ? try await source(definition) as? any ImageCatalog : nil
            return PlannedCatalog(images: planned, base: base, name: path)
        // What the backup will hold is what the steps before write to it, and nothing of older ones.
        case .backups(let path, _): return PlannedCatalog(images: planned, base: nil, name: path)
        }
    }

    /// A target that is only looked at: nothing is made, not even a folder.
    func planningTarget(
        _ target: CopyTarget, of step: CopyStep, pipeline: String = "", after planned: PlannedImages? = nil
    ) async throws -> Planner.Target {
        Planner.Target(
            store: try await planningStore(target.store, of: step, pipeline, after: planned), naming: target.naming,
            overwrite: step.overwrite)
    }

    private func planningStore(
        _ definition: StoreDefinition, of step: CopyStep, _ pipeline: String, after planned: PlannedImages?
    ) async throws -> any TargetStore {
        if case .backups(let path, _) = definition {
            guard try await exists(path + "/" + BackupSet.recordsFolder) else { return AbsentLayout(name: path) }
            return try await backups(path, for: step, pipeline: pipeline)
        }
        guard case .layout(let path) = definition else {
            let target = try await target(definition, replacesFile: step.replacesFile, origin: step.origin)
            guard let planned, let registry = target as? Registry else { return target }
            return PlannedRegistry(images: planned, base: registry)
        }
        guard try await exists(path + "/oci-layout") else { return AbsentLayout(name: path) }
        let store = try await source(definition)
        return store as? any TargetStore ?? AbsentLayout(name: path)
    }
}
