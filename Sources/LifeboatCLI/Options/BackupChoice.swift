import ArgumentParser

/// Which backup of a set is meant.
struct BackupChoice: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "A time (RFC 3339): the newest good backup not after it; the beginning of an id, or latest.",
            valueName: "time"))
    var at: String?

    @Option(help: ArgumentHelp("The beginning of a backup's id, as backups list shows it.", valueName: "id"))
    var backup: String?

    @Option(
        help: ArgumentHelp(
            "Of a set that several pipelines share: a backup that this one has made, by its name.", valueName: "name"))
    var pipeline: String?

    /// What chooses it; nil for the latest.
    var word: String? { backup ?? at }

    var isGiven: Bool { word != nil || pipeline != nil }

    func validate() throws {
        if at != nil, backup != nil { throw ValidationError("--at and --backup both choose the backup, want one") }
    }
}
