import OCI

/// Images that targets say they have, read there and made whole.
extension Runner {
    /// - Returns: a report for each image that a target has under its name.
    func repair(_ plan: Plan, _ targets: [Planner.Target]) async throws -> [ImageReport] {
        var reports: [ImageReport] = []
        // One after the other: the parts of each are read several at a time.
        for item in plan.items where item.action == .alreadyThere {
            let store = targets[item.target].store
            guard let readable = store as? any SourceStore else { continue }
            let repair = Repair(
                store: store, readable: readable, concurrency: environment.concurrency, observe: observe)
            let report = try await repair.run(item)
            observe(.imageEnded(report))
            reports.append(report)
        }
        return reports
    }

    /// What is wrong with images that could not be read as a whole, part by part.
    func nameParts(of images: [ImageReport], in items: [PlanItem]) async throws -> [ImageReport] {
        let bySource = Dictionary(items.map { ($0.sourceName, $0) }, uniquingKeysWith: { first, _ in first })
        var images = images
        for number in images.indices where images[number].outcome == .failed {
            guard let item = bySource[images[number].source],
                [.damaged, .notFound].contains(images[number].error?.kind)
            else { continue }
            let source = try await item.store.source(item.source.repository)
            do {
                let check = ImageCheck(source: source, concurrency: environment.concurrency)
                images[number].parts = try await check.run(item.root).findings
                // What is damaged weighs more than what is missing, whichever was seen first.
                if let damaged = images[number].parts.first(where: { $0.kind == .damaged }),
                    images[number].error?.kind != .damaged
                {
                    images[number].error = FailureReport(
                        LifeboatError(
                            .damaged, damaged.message,
                            advice: "lifeboat import SOURCE --to HOST --repair, from a backup"),
                        among: [item.store.name])
                }
            } catch let error as any Failure where error.kind == .unavailable || error.kind == .policy {
                images[number].notes.append("its parts could not all be read: \(error.description)")
            }
        }
        return images
    }
}
