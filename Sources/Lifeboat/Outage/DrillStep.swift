import OCI

/// A rehearsal of the outage as a step: what `objectives` of the definition say must be reached.
public struct DrillStep: Sendable {
    /// The most images of a sample.
    static let sampleLimit = 1_000_000

    /// A backup set, an archive or a layout folder.
    public var store: StoreDefinition
    /// How many images are restored, chosen by chance; nil for all of them.
    public var sample: Int?

    public init(store: StoreDefinition, sample: Int? = nil) {
        self.store = store
        self.sample = sample
    }

    /// What a plan says of it.
    var words: String {
        "restores \(sample.map { Figures.count($0, "image") } ?? "everything") into a throw-away registry of this machine "
            + "and pulls it back; writes nothing but evidence"
    }
}

extension Runner {
    func run(_ step: DrillStep, _ report: StepReport) async throws -> StepReport {
        guard let serving = environment.serving else {
            throw LifeboatError(.internal, "there is no server to rehearse with")
        }
        let objectives = environment.settings.objectives
        let drill = Drill(environment, serving: serving, observe: observe)
        let result = try await drill.run(
            step.store, sample: step.sample,
            objectives: DrillObjectives(rto: objectives.rto?.seconds, rpo: objectives.rpo?.seconds))
        let unkept = try await drill.keep(result, of: step.store)
        var report = report
        report.drill = result
        report.bytesMoved = result.bytes
        report.notes = result.text.split(separator: "\n").map { String($0.drop { $0 == " " }) }
        if let unkept { report.notes.append(unkept) }
        report.error = result.worst
        return report
    }
}
