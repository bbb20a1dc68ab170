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
        return result
    }
}
