import OCI

extension Plan {
    /// Puts the images that matter most first: what an early pattern matches comes before what a later one does, and
    /// before all that none does.
    mutating func putFirst(_ rules: [SelectionRule]) {
        guard !rules.isEmpty else { return }
        func place(_ item: PlanItem) -> Int {
            rules.firstIndex { rule in
                rule.matches(item.source.repository) && (item.source.tag.map(rule.matches) ?? true)
            } ?? rules.count
        }
        items = items.enumerated().map { (place($1), $0, $1) }.sorted { ($0.0, $0.1) < ($1.0, $1.1) }.map(\.2)
    }
}
