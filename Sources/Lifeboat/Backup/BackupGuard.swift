import OCI
import OCIArchive

/// Holds what a registry lists against the newest backup that is complete and believed: listings have been known to
/// leave things out without a word.
struct BackupGuard: Sendable {
    private let target: BackupTarget
    private static let requestsAtATime = 16
    /// Names that a sentence shows.
    private static let namesShown = 5

    /// - Returns: nil for a target that is no set, or that calls images otherwise than their source does.
    init?(_ target: Planner.Target) {
        guard let backup = target.store as? BackupTarget, target.naming.isIdentity else { return nil }
        self.target = backup
    }

    var path: String { target.set.path }

    /// Asks for the tags that the backup has and the listing has not, one by one: a tag counts as deleted when the
    /// registry says so of itself.
    func review(_ outcome: Selector.Outcome, of source: Planner.Source) async throws -> Selector.Outcome {
        guard !(source.store is any ImageCatalog), let baseline = try await target.baseline() else { return outcome }
        var outcome = outcome
        let rules = try Ruleset(source.selection, of: source.store.name, hosts: [source.store.name])
        var known = Set(outcome.selected.map(\.image.name))
        for failure in outcome.failures where failure.name.hasPrefix(source.store.name + "/") {
            known.insert(String(failure.name.dropFirst(source.store.name.utf8.count + 1)))
        }
        let repositories = Set(outcome.selected.map(\.image.repository))
        let gone = baseline.images().compactMap { image -> (image: NamedImage, rule: Int)? in
            guard image.registry == source.store.name, let tag = image.tag, tag.companionStem == nil,
                !known.contains(image.name), let number = rules.owner(of: image.repository)
            else { return nil }
            let rule = rules.rules[number]
            // Newer ones have taken its place.
            if rule.newest != nil, repositories.contains(image.repository) { return nil }
            return rule.list == nil ? (image, number) : nil
        }
        guard !gone.isEmpty else { return outcome }
        let found = try await map(gone, limit: BackupGuard.requestsAtATime) {
            image, _ -> Result<Descriptor?, any Error> in
            do {
                return .success(try await source.store.source(image.repository).resolve(try tag(of: image)))
            } catch let error as any Failure where error.kind == .notFound {
                return .success(nil)
            } catch let error as any Failure where error.kind != .internal {
                return .failure(error)
            }
        }
        var hidden: [String] = []
        for ((image, number), result) in zip(gone, found) {
            switch result {
            case .success(let descriptor?):
                var image = image
                image.descriptor = descriptor
                hidden.append(image.name)
                outcome.selected.append(rules.selected(image, by: number))
            case .success(nil): continue
            case .failure(let error): outcome.failures.append(("\(source.store.name)/\(image.name)", error))
            }
        }
        if !hidden.isEmpty {
            outcome.notes.append(
                "the listing of \(source.store.name) leaves out \(Figures.count(hidden.count, "tag")) that it has all "
                    + "the same, which are taken too: \(BackupGuard.names(hidden))")
        }
        return outcome
    }

    private func tag(of image: NamedImage) throws -> TagOrDigest {
        image.tag.map { .tag($0) } ?? .digest(image.descriptor.digest)
    }

    /// Makes the backup suspect if too much has gone.
    ///
    /// - Parameter shrink: how much may go, in per cent of the tags.
    func judge(_ plan: inout Plan, shrink: Double) async throws {
        // Files are read whole: what is not in them is not there.
        guard plan.items.contains(where: { !($0.store is any ImageCatalog) }),
            let baseline = try await target.baseline()
        else { return }
        let before = baseline.images().filter { $0.tag != nil && $0.tag?.companionStem == nil }
        guard !before.isEmpty else { return }
        var now = Set(plan.items.map { ($0.source.registry ?? "") + "/" + $0.source.name })
        now.formUnion(plan.failures.map(\.name))
        let counts = Dictionary(grouping: plan.items, by: \.source.repository).mapValues(\.count)
        let failed = plan.failures.map(\.name)
        var gone: [String] = []
        var lost: [String] = []
        for (repository, images) in Dictionary(grouping: before, by: \.repository).sorted(by: { $0.key < $1.key }) {
            // What could not be listed is missing from the backup, not from the registry.
            if failed.contains(where: { $0.hasSuffix("/\(repository)") }) { continue }
            let missing = images.filter { !now.contains($0.fullName) }
            if counts[repository] == nil, missing.count == images.count {
                lost.append(repository.description)
            }
            // Where only the newest are wanted, the oldest leave as others come.
            let net = max(0, images.count - (counts[repository] ?? 0))
            gone += missing.prefix(rotates(repository, plan) ? net : missing.count).map(\.name)
        }
        guard let reason = reason(lost, gone, of: before.count, shrink, baseline) else { return }
        target.doubt(because: reason)
        plan.doubt = LifeboatError(
            .policy, "the new backup of \(target.name) is suspect: \(reason)",
            advice: "look at the registry; if this is right, lifeboat backups accept \(target.name) BACKUP")
    }

    private func rotates(_ repository: RepositoryName, _ plan: Plan) -> Bool {
        plan.items.contains { $0.source.repository == repository && $0.chosenBy?.rule.newest != nil }
    }

    private func reason(
        _ lost: [String], _ gone: [String], of count: Int, _ shrink: Double, _ baseline: BackupSource
    ) -> String? {
        let since = "since \(baseline.summary)"
        if !lost.isEmpty {
            return "\(Figures.count(lost.count, "repository")) gone \(since): \(BackupGuard.names(lost))"
        }
        let share = Double(gone.count) / Double(count) * 100
        guard share > shrink else { return nil }
        return "\(gone.count) of \(Figures.count(count, "tag")) gone \(since), more than \(shrink.formatted) %: "
            + BackupGuard.names(gone)
    }

    private static func names(_ names: [String]) -> String {
        let rest = names.count - namesShown
        return names.prefix(namesShown).joined(separator: ", ") + (rest > 0 ? " and \(rest) more" : "")
    }
}

extension Naming {
    /// Whether images are called at the target as they are at the source.
    var isIdentity: Bool { prefix.isEmpty && exact == nil && rename.isEmpty && retag.isEmpty }
}

extension Double {
    /// Without a fraction where there is none.
    fileprivate var formatted: String { self == rounded() ? String(Int(self)) : String(self) }
}
