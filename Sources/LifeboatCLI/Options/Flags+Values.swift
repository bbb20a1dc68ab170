import Lifeboat
import OCI

extension TargetFlags {
    var rule: Overwrite {
        get throws {
            guard let rule = Overwrite(rawValue: overwrite) else {
                throw LifeboatError(
                    .usage,
                    "--overwrite is '\(shown(overwrite, limit: 80))', want "
                        + Overwrite.allCases.map(\.rawValue).joined(separator: " or "))
            }
            return rule
        }
    }
}

extension SelectionFlags {
    /// The sources as written; an archive from which several patterns choose is a source for each of them.
    ///
    /// What deltas among them build on goes into the environment's settings. Which backup of a set is meant is said.
    ///
    /// - Parameter choosing: whether one backup of each set is meant, and not the set as a whole.
    func sources(
        _ texts: [String], in environment: inout RunEnvironment, quiet: Bool, choosing: Bool = true
    ) async throws -> [SourceDefinition] {
        let bases = try await archive.stores(in: environment)
        let platforms = try platforms.map { try Platform(parsing: $0) }
        var result: [SourceDefinition] = []
        for text in texts {
            result += try await SourceDefinition.parse(
                text, images: images, platforms: platforms, referrers: !noReferrers, in: environment.fileSystem)
        }
        if !images.isEmpty { try await refuseUnused(texts, in: environment) }
        if choosing {
            var chosen: [StoreDefinition: StoreDefinition] = [:]
            for store in result.map(\.store) where chosen[store] == nil {
                chosen[store] = try await choice.applied(to: store, in: environment, quiet: quiet)
            }
            for number in result.indices { result[number].store = chosen[result[number].store] ?? result[number].store }
        }
        guard !bases.isEmpty else { return result }
        let archives = result.map(\.store).filter { if case .archive = $0 { true } else { false } }
        guard !archives.isEmpty else {
            throw LifeboatError(.usage, "--base goes with a delta archive, and there is none among the sources")
        }
        for archive in archives { environment.settings.archives[archive, default: ArchiveSettings()].bases = bases }
        return result
    }

    /// - Throws: `LifeboatError` `.usage` where there is nothing that --image chooses from.
    private func refuseUnused(_ texts: [String], in environment: RunEnvironment) async throws {
        for text in texts {
            if SourceDefinition.isRegistry(text) { return }
            if try await StoreDefinition.path(text, in: environment.fileSystem) != nil { return }
        }
        throw LifeboatError(
            .usage,
            "--image chooses from an archive, a folder or a whole registry, and there is none among the sources",
            advice: "write the pattern behind the host: 'HOST/team/**'")
    }

}

extension ArchiveFlags {
    /// What deltas build on.
    func stores(in environment: RunEnvironment) async throws -> [StoreDefinition] {
        var stores: [StoreDefinition] = []
        for path in bases {
            guard let store = try await StoreDefinition.path(path, in: environment.fileSystem) else {
                throw LifeboatError(
                    .usage, "'\(shown(path, limit: 1000))' is no archive or folder that a delta could build on",
                    advice: "check the path of --base")
            }
            stores.append(store)
        }
        return stores
    }
}
