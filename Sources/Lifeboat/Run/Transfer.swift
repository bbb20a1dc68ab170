import OCI

/// Moves what a plan says: each unique blob once, in order, then the manifests of every image that is complete.
///
/// Blobs come before manifests, children before parents, tags last: nothing is named before all of it is there.
struct Transfer: Sendable {
    /// What the numbers of the plan's items count.
    let targets: [any TargetStore]
    let spool: ManifestSpool
    let surroundings: Surroundings
    var retry = RetryPolicy()
    /// Blobs under way at once, at first.
    var concurrency = 6
    /// The same as long as more bring more; nil for never more than at first.
    var mostConcurrency: Int?
    /// Is told of every tag that was written; nil where nobody needs to know.
    var written: (any WrittenTags)?
    var runID = ""
    var observe: RunObserver = { _ in }
    /// Throws where no further blob may be started, such as outside of a window.
    var permit: @Sendable () throws -> Void = {}

    struct Outcome: Sendable {
        var reports: [ImageReport]
        var bytesMoved: Int64
        /// One a target, in order.
        var targets: [TargetOutcome]
        /// What is wrong with a source as a whole, whatever images could be read from it.
        var sourceError: (any Error)?
        var notes: [String]
    }

    struct TargetOutcome: Sendable {
        /// Images that arrived, and those that did not.
        var done = 0
        /// Of which nothing had to be moved, at a target that says so only then.
        var alreadyThere = 0
        var failed = 0
        var bytesTrusted: Int64 = 0
        /// The id of the archive that was written, or found complete.
        var archive: Digest?
        /// What ended the work at this target, while it went on at others.
        var error: (any Error)?
    }

    /// - Throws: only what ends the whole transfer: no target is left that can be completed. What concerns an image
    ///   stands in its report.
    func run(_ plan: Plan) async throws -> Outcome {
        let items = plan.items.filter { $0.action != .alreadyThere }
        let state = TransferState(items, targets: targets.map(\.name))
        do {
            let order = try await begin(items, state)
            try await move(items, order: order, lacking: plan.lacking, state)
            for number in targets.indices { try await complete(number, items, plan.failures, state) }
        } catch {
            if error is CancellationError || Task.isCancelled {
                await keepWhatIsComplete(items, plan.failures, state)
            }
            // What is under its name by now stays; to end it is to do nothing.
            for number in targets.indices where await !state.isComplete(number) { await abort(number) }
            throw error
        }
        return await state.outcome
    }
}
