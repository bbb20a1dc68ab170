import ArgumentParser
import Lifeboat
import OCI
import OCIArchive

/// Which backup of a set is meant.
struct BackupChoice: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Of a backup set: a time (RFC 3339), which means the newest good backup not after it; the beginning of an id, or latest.",
            valueName: "time"))
    var at: String?

    @Option(
        help: ArgumentHelp(
            "Of a backup set: the beginning of a backup's id, as backups list shows it.", valueName: "id"))
    var backup: String?

    @Option(
        help: ArgumentHelp(
            "Of a set that several pipelines share: a backup that this one has made, by its name.", valueName: "name"))
    var pipeline: String?

    /// What chooses it; nil for the latest.
    var word: String? { backup ?? at }

    var isGiven: Bool { word != nil || pipeline != nil }

    mutating func clear() { (at, backup, pipeline) = (nil, nil, nil) }

    func validate() throws {
        if at != nil, backup != nil { throw ValidationError("--at and --backup both choose the backup, want one") }
    }
}

extension BackupChoice {
    /// The backup of a set that is meant, which is said on standard error; any other store as it is.
    ///
    /// - Throws: `LifeboatError` `.usage` where a backup is chosen of something else; as `BackupSet.choose`.
    func applied(
        to store: StoreDefinition, in environment: RunEnvironment, quiet: Bool, as role: String = ""
    ) async throws -> StoreDefinition {
        guard case .backups(let path, _) = store else {
            guard !isGiven else { throw refusal(of: store) }
            return store
        }
        let set = try await openSet(path, environment)
        let chosen = try await set.choose(word, pipeline: pipeline, now: environment.surroundings.now())
        if !quiet { for line in chosen.words { Terminal.story(role + line) } }
        return .backups(path: path, at: chosen.backup.id.description)
    }

    private func refusal(of store: StoreDefinition) -> LifeboatError {
        let flag = at != nil ? "--at" : backup != nil ? "--backup" : "--pipeline"
        return LifeboatError(
            .usage, "\(flag) chooses a backup of a set, and \(shown(store.description, limit: 1000)) is none")
    }
}
