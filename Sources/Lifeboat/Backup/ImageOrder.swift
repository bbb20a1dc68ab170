import OCI

extension Plan {
    /// Puts the images that matter most first: what an early pattern matches comes before what a later one does, and
    /// before all that none does.
    mutating func putFirst(_ rules: [SelectionRule]) {
        guard !rules.isEmpty else { return }
        func place(_ item: PlanItem) -> Int {
            rules.firstIndex { $0.matches(item.source) } ?? rules.count
        }
        items = items.enumerated().map { (place($1), $0, $1) }.sorted { ($0.0, $0.1) < ($1.0, $1.1) }.map(\.2)
    }
}

extension SelectionRule {
    /// Whether the patterns take an image by its name.
    func matches(_ image: NamedImage) -> Bool {
        matches(image.repository) && (image.tag.map { matches($0) } ?? true)
    }
}
