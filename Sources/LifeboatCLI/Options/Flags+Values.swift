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
    func sources(_ texts: [String], in environment: RunEnvironment) async throws -> [SourceDefinition] {
        let platforms = try platforms.map { try Platform(parsing: $0) }
        var result: [SourceDefinition] = []
        for text in texts {
            result += try await SourceDefinition.parse(
                text, images: images, platforms: platforms, referrers: !noReferrers, in: environment.fileSystem)
        }
        for number in result.indices { result[number].store = try moved(result[number].store) }
        return result
    }

    /// A backup set at the moment that was asked for.
    func moved(_ store: StoreDefinition) throws -> StoreDefinition {
        guard let at else { return store }
        guard case .backups(let path, _) = store else {
            throw LifeboatError(
                .usage, "--at chooses a backup of a set, and \(shown(store.description, limit: 1000)) is none")
        }
        return .backups(path: path, at: at)
    }
}
