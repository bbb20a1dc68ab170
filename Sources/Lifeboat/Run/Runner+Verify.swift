import OCI
import OCIArchive

/// Verification, of one store or of one against another.
extension Runner {
    func run(_ step: VerifyStep, _ report: StepReport, _ stores: OpenStores) async throws -> StepReport {
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
            report.notes += outcome.notes + step.naming.unused(by: outcome.selected.map(\.image))
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
                            action: .copy, graph: graph, targetStore: Nowhere.name))
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
            let outcome = try await FileVerification(environment: environment, observe: observe).verify(definition)
            images = outcome.images
            report.notes += outcome.notes
            report.bytesMoved += images.reduce(0) { $0 + $1.bytesMoved }
        }
        report.images += images
        report.noteReread()
    }

    /// Files are verified as files, every byte of them; images of a registry by reading all that belongs to them.
    private func readAll(_ step: VerifyStep, _ report: StepReport, _ stores: OpenStores) async throws -> StepReport {
        var report = report
        let verification = FileVerification(environment: environment, observe: observe)
        for file in step.sources.map(\.store).uniqued() {
            let outcome = try await verification.verify(file)
            report.images += outcome.images
            report.notes += outcome.notes
            report.bytesMoved += outcome.images.reduce(0) { $0 + $1.bytesMoved }
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
        report.images += try await nameParts(of: outcome.reports, in: plan.items)
        report.bytesMoved += outcome.bytesMoved
        try await spool.close()
        return report
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
