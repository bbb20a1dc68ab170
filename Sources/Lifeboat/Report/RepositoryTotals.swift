/// What a run did to one repository.
struct RepositoryTotals: Sendable {
    var name: String
    var moved: Int64 = 0
    var shared: Int64 = 0
    /// Bytes that were at the target already, as far as their size was looked up.
    var there: Int64 = 0
    var done = 0
    var alreadyThere = 0
    var failed = 0

    var bytes: Int64 { moved + shared + there }

    init(name: String) { self.name = name }
}

extension Report {
    /// Totals by source repository, the largest first.
    var repositories: [RepositoryTotals] {
        var totals: [String: RepositoryTotals] = [:]
        for step in steps where !step.kind.isCheck {
            for image in step.images {
                let name = repositoryPart(of: image.source)
                var entry = totals[name] ?? RepositoryTotals(name: name)
                entry.moved += image.bytesMoved
                entry.shared += image.bytesShared
                entry.there += image.bytesTrusted
                switch image.outcome {
                case .done: entry.done += 1
                case .alreadyThere: entry.alreadyThere += 1
                case .failed: entry.failed += 1
                }
                totals[name] = entry
            }
        }
        return totals.values.sorted { ($0.bytes, $1.name) > ($1.bytes, $0.name) }
    }

    /// `host/team/app:1` and `host/team/app@sha256:…` without what follows the repository.
    private func repositoryPart(of name: String) -> String {
        var name = name[...]
        if let at = name.firstIndex(of: "@") { name = name[..<at] }
        if let colon = name.lastIndex(of: ":"), !name[colon...].contains("/") { name = name[..<colon] }
        return String(name)
    }
}
