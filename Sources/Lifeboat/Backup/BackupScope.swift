import OCI
import OCIArchive

extension CopyStep {
    /// What a backup that this step makes is for.
    ///
    /// - Parameter now: milliseconds since 1970.
    func purpose(pipeline: String, now: Int64) -> BackupTarget.Purpose {
        BackupTarget.Purpose(
            pipeline: pipeline, source: sources.map(\.store.description).uniqued().joined(separator: ", "),
            scope: scope, began: Moment(milliseconds: now).seconds)
    }

    /// A hash of what is asked for. Two backups of one scope differ only by what the source had.
    private var scope: String {
        var lines: [String] = []
        for source in sources {
            lines.append("from " + source.store.description)
            lines += source.selection.rules.map(\.scope)
        }
        return String(Digest(of: Array(lines.joined(separator: "\n").utf8)).hex.prefix(16))
    }
}

extension SelectionRule {
    /// Every word of the rule; what a list names may change from day to day, and is not in it.
    fileprivate var scope: String {
        func words(_ name: String, _ patterns: [some CustomStringConvertible]) -> String {
            name + " " + patterns.map(\.description).joined(separator: " ")
        }
        return [
            words("repositories", repositories), words("except", exceptRepositories), words("tags", tags),
            words("except", exceptTags), "semver " + (semver?.description ?? ""),
            "newest " + (newest.map { "\($0.count) \($0.order.rawValue)" } ?? ""), words("digests", digests),
            "list " + (list?.summary ?? ""), words("platforms", platforms), "referrers \(referrers)",
            words("types", referrerTypes),
        ].joined(separator: "; ")
    }
}

extension MissingImage {
    init(name: String, _ failure: FailureReport) {
        self.init(name: name, kind: failure.kind, message: failure.message)
    }
}
