import OCI

extension StepPlan {
    /// Holds a plan made just now against this one, which somebody has agreed to.
    ///
    /// What has come at the source since then is left out. What an interrupted run of this plan has done already is no
    /// difference.
    ///
    /// - Parameter isWhole: whether the target is written as a whole, such as an archive: it has no tags to look at.
    /// - Throws: `LifeboatError` `.conflict` that names the first difference.
    func restrict(_ plan: Plan, isWhole: Bool) throws(LifeboatError) -> Plan {
        var wanted: [String: ImagePlan] = [:]
        for image in images where image.failure == nil && ![.failed, .conflict].contains(image.action) {
            wanted[image.source + "\n" + image.target] = image
        }
        var result = plan
        result.items = []
        for item in plan.items {
            let key = relative(item.sourceName) + "\n" + relative(item.targetName)
            guard let image = wanted.removeValue(forKey: key) else { continue }
            if let digest = image.digest, digest != item.root.digest {
                throw moved("\(item.sourceName) is \(item.root.digest) now, the plan has \(digest)")
            }
            if !isWhole { try check(image, against: item) }
            result.items.append(item)
        }
        let known = Set(images.filter { [.failed, .conflict].contains($0.action) }.map(\.source))
        for failure in plan.failures where !known.contains(relative(failure.name)) {
            if let image = images.first(where: { $0.source == relative(failure.name) }) {
                let report = FailureReport(failure.error)
                guard report.kind == .notFound || report.kind == .conflict else { continue }
                throw moved("\(image.source): \(report.message)")
            }
        }
        if let gone = wanted.values.map(\.source).min() {
            throw moved("\(gone) is no longer there, or the rules choose other images now")
        }
        return result
    }

    private func check(_ image: ImagePlan, against item: PlanItem) throws(LifeboatError) {
        let name = item.targetName
        switch (image.action, item.action) {
        case (.alreadyThere, .alreadyThere), (.copy, .copy), (.sparse, .copy), (.copy, .alreadyThere),
            (.sparse, .alreadyThere), (.replace, .alreadyThere):
            return
        case (.replace, .replace(let old)) where old == image.replaces: return
        case (_, .replace(let old)):
            throw moved(
                "\(name) points to \(old) now, the plan has "
                    + (image.replaces.map { "\($0)" }
                        ?? (image.action == .alreadyThere ? "the image itself" : "nothing")))
        case (.alreadyThere, _): throw moved("\(name) is not there now, the plan found it there")
        case (.replace, _):
            throw moved("\(name) is gone, the plan has it at \(image.replaces.map { "\($0)" } ?? "another digest")")
        default: throw moved("\(name) is not as the plan found it")
        }
    }

    private func moved(_ what: String) -> LifeboatError {
        LifeboatError(
            .conflict, "the world has moved since the plan was made: \(what)",
            advice: "make the plan again: lifeboat plan; nothing of step \(shown(name, limit: 80)) was done")
    }
}

extension RunEnvironment {
    /// The environment in which steps do exactly what a plan says, or refuse.
    ///
    /// - Parameter folder: the definition's, absolute: what relative paths in the plan start from.
    public func following(_ plan: PipelinePlan, folder: String? = nil) -> RunEnvironment {
        var environment = self
        let steps = plan.steps.map { step in
            var step = step
            step.folder = folder
            return (step.name, step)
        }
        environment.agreed = Dictionary(steps, uniquingKeysWith: { first, _ in first })
        return environment
    }
}
