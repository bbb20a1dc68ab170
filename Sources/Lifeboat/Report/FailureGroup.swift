import OCI

/// Failures of a run that have one cause.
public struct FailureGroup: Sendable {
    public var kind: FailureKind
    /// What the first of them says.
    public var message: String
    public var advice: String?
    /// The step and the image of each; an empty image stands for the step itself, an empty step for the run.
    public var items: [(step: String, name: String)]
}

extension Report {
    /// Every failure, grouped by cause: class and message, names and digests apart. The worst class comes first, the
    /// largest group first within it.
    public var failureGroups: [FailureGroup] { failureGroups(ofComparisons: true) }

    /// - Parameter ofComparisons: whether differences between two stores are among them.
    func failureGroups(ofComparisons: Bool) -> [FailureGroup] {
        struct Cause: Hashable {
            var kind: FailureKind
            var shape: String
        }
        var groups: [Cause: FailureGroup] = [:]
        func add(_ failure: FailureReport, step: String, name: String) {
            let cause = Cause(kind: failure.kind, shape: shape(of: failure.message))
            groups[
                cause,
                default: FailureGroup(kind: failure.kind, message: failure.message, advice: failure.advice, items: [])
            ].items.append((step, name))
        }
        if let error { add(error, step: "", name: "") }
        for step in steps {
            for (name, failure) in step.namedFailures(ofComparisons: ofComparisons) {
                add(failure, step: step.name, name: name)
            }
        }
        func rank(_ kind: FailureKind) -> Int { FailureKind.bySeverity.firstIndex(of: kind) ?? .max }
        return groups.values.sorted {
            (rank($0.kind), -$0.items.count, $0.message) < (rank($1.kind), -$1.items.count, $1.message)
        }
    }

    /// A message without what differs from image to image: words with a slash, a digest, or a number.
    private func shape(of message: String) -> String {
        message.split(separator: " ").map { word in
            word.contains("/") || word.contains("sha256:") || word.contains("sha512:")
                || word.contains(where: \.isNumber)
                ? "*" : String(word)
        }.joined(separator: " ")
    }
}

extension StepReport {
    /// Each failure with the image that it belongs to; the step's own has no name.
    func namedFailures(ofComparisons: Bool) -> [(name: String, failure: FailureReport)] {
        var result: [(name: String, failure: FailureReport)] = []
        if let error { result.append(("", error)) }
        result += targets.compactMap { target in target.error.map { (target.target, $0) } }
        for image in images {
            if let error = image.error { result.append((image.source, error)) }
        }
        if ofComparisons, let comparison {
            result += zip(comparison.differences, comparison.failures).map { ($0.name, $1) }
        }
        return result
    }
}
