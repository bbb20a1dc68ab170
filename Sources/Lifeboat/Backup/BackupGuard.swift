import OCI
import OCIArchive

/// Holds what a registry lists against the newest backup that is complete and believed: listings have been known to
/// leave things out without a word.
struct BackupGuard: Sendable {
    let target: BackupTarget
    let naming: Naming
    /// The target's place among those of the plan.
    private let number: Int
    /// How much may go, in per cent of the tags.
    private let shrink: Double
    /// Names that a sentence shows.
    private static let namesShown = 5

    /// What stands for the id of a backup that is not made yet.
    private static let placeholder = "BACKUP"

    /// The same with the id of the backup that was made.
    static func named(_ error: LifeboatError, _ backup: Digest?) -> LifeboatError {
        guard let backup, let advice = error.advice, advice.hasSuffix(placeholder) else { return error }
        return LifeboatError(
            error.kind, error.description,
            advice: String(advice.dropLast(placeholder.count)) + String(backup.hex.prefix(12)))
    }

    /// - Parameter shrink: how much may go from a set, in per cent of the tags.
    /// - Returns: one for each target that is a set.
    static func all(of targets: [Planner.Target], shrink: (_ path: String) -> Double) -> [BackupGuard] {
        targets.enumerated().compactMap { number, target in
            guard let backup = target.store as? BackupTarget, target.naming.exact == nil else { return nil }
            return BackupGuard(
                target: backup, naming: target.naming, number: number, shrink: shrink(backup.set.path))
        }
    }

    /// Makes the backup suspect if too much has gone.
    func judge(_ plan: inout Plan, of sources: [Planner.Source]) async throws {
        // Files are read whole: what is not in them is not there.
        let registries = Set(sources.filter { !($0.store is any ImageCatalog) }.map(\.store.name))
        guard !registries.isEmpty, let baseline = try await target.baseline() else { return }
        let before = baseline.images().filter { $0.isTagged && registries.contains($0.registry ?? "") }
        guard !before.isEmpty else { return }
        let items = plan.items.filter { $0.target == number }
        let now = items.map(\.named).filter(\.isTagged)
        let counts = Dictionary(grouping: now, by: Place.init).mapValues(\.count)
        let rotating = Set(items.filter { $0.chosenBy?.rule.newest != nil }.map { Place($0.named) })
        let failures = plan.failures.filter { $0.targetNumber == nil || $0.targetNumber == number }
        let failed = Failed(failures, of: registries, naming)
        let present = Set(now.map(\.fullName)).union(failed.images)
        var gone: [String] = []
        var lost: [String] = []
        for (place, images) in Dictionary(grouping: before, by: Place.init).sorted(by: { $0.key < $1.key }) {
            // What could not be listed is missing from the backup, not from the registry.
            if failed.repositories.contains(place) { continue }
            let missing = images.filter { !present.contains($0.fullName) }
            if counts[place] == nil, missing.count == images.count { lost.append(place.repository.description) }
            // Where only the newest are wanted, the oldest leave as others come.
            let net = max(0, images.count - (counts[place] ?? 0))
            gone += missing.prefix(rotating.contains(place) ? net : missing.count).map(\.name)
        }
        guard let reason = reason(lost, gone, of: before.count, baseline) else { return }
        target.doubt(because: reason)
        plan.suspects[number] = LifeboatError(
            .policy, "the new backup of \(target.name) is suspect: \(reason)",
            advice: "look at the registry; if this is right, lifeboat backups accept \(target.name) "
                + BackupGuard.placeholder)
    }

    private func reason(_ lost: [String], _ gone: [String], of count: Int, _ baseline: BackupSource) -> String? {
        let since = "since \(baseline.summary)"
        if !lost.isEmpty {
            return "\(Figures.count(lost.count, "repository")) gone \(since): \(BackupGuard.names(lost))"
        }
        let share = Double(gone.count) / Double(count) * 100
        guard share > shrink else { return nil }
        return "\(gone.count) of \(Figures.count(count, "tag")) gone \(since), more than \(shrink.formatted) %: "
            + BackupGuard.names(gone)
    }

    static func names(_ names: [String], by separator: String = ", ") -> String {
        let rest = names.count - namesShown
        return names.prefix(namesShown).joined(separator: separator) + (rest > 0 ? " and \(rest) more" : "")
    }
}

/// A repository of the backup: of one registry.
private struct Place: Hashable, Comparable {
    var registry: String?
    var repository: RepositoryName

    init(_ image: NamedImage) {
        registry = image.registry
        repository = image.repository
    }

    init(registry: String, repository: RepositoryName) {
        self.registry = registry
        self.repository = repository
    }

    static func < (a: Place, b: Place) -> Bool {
        (a.registry ?? "", a.repository) < (b.registry ?? "", b.repository)
    }
}

/// What could not be had this time, as the backup would have called it.
private struct Failed {
    /// Full names.
    var images: Set<String> = []
    var repositories: Set<Place> = []

    init(_ failures: [PlanFailure], of registries: Set<String>, _ naming: Naming) {
        for failure in failures {
            for registry in registries where failure.name.hasPrefix(registry + "/") {
                add(String(failure.name.dropFirst(registry.utf8.count + 1)), of: registry, naming)
            }
        }
    }

    /// Words that are no name, such as patterns, say of nothing in particular that it failed.
    private mutating func add(_ name: String, of registry: String, _ naming: Naming) {
        if let repository = RepositoryName(ifValid: name) {
            if let held = naming.held(repository) {
                repositories.insert(Place(registry: registry, repository: held))
            }
        } else if let parsed = TagName(ifValid: name), parsed.registry == nil,
            let held = naming.held(parsed.tag, in: parsed.repository)
        {
            images.insert("\(registry)/\(held)")
        }
    }
}

extension NamedImage {
    /// Whether it has a name of its own, and not one that says which image it belongs to.
    fileprivate var isTagged: Bool { tag != nil && tag?.companionStem == nil }
}

extension PlanItem {
    /// What the backup will call it.
    fileprivate var named: NamedImage {
        NamedImage(registry: source.registry, repository: targetRepository, tag: targetTag, descriptor: root)
    }
}

extension Double {
    /// Without a fraction where there is none.
    fileprivate var formatted: String { self == rounded() ? String(Int(self)) : String(self) }
}
