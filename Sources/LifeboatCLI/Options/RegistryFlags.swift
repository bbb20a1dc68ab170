import ArgumentParser

/// How registries are reached.
struct RegistryFlags: ParsableArguments {
    @Option(
        name: .customLong("plain-http"),
        help: ArgumentHelp(
            "Speak HTTP without TLS to this host; loopback hosts need no flag, unless --ca is given.",
            valueName: "host"))
    var plainHTTP: [String] = []

    @Option(
        name: .customLong("ca"), help: ArgumentHelp("Trust the certificates of this PEM file too.", valueName: "file"))
    var authority: String?

    @Option(help: ArgumentHelp("Blobs under way at once (1 to 64).", valueName: "n"))
    var concurrency: Int?

    func validate() throws {
        if let concurrency, !(1...64).contains(concurrency) {
            throw ValidationError("--concurrency is \(concurrency), want 1 to 64")
        }
    }
}

/// How much is said, and in which form.
struct OutputFlags: ParsableArguments {
    @Flag(help: "Print the report as JSON on stdout.")
    var json = false

    @Flag(name: .shortAndLong, help: "Say nothing but the final answer and failures.")
    var quiet = false
}

/// Where the report of a run is kept.
struct ReportFlags: ParsableArguments {
    @Option(
        help: ArgumentHelp("Write the report as JSON to this file, whatever comes of the run.", valueName: "file"))
    var report: String?

    @Option(help: ArgumentHelp("Write the report as a page for people to this file.", valueName: "file"))
    var html: String?
}

/// Where the metrics of runs are kept.
struct MetricsFlags: ParsableArguments {
    @Option(
        name: .customLong("metrics-file"),
        help: ArgumentHelp(
            "Write metrics to this file after each run, for node_exporter's textfile collector.", valueName: "file"))
    var file: String?
}

/// Which images are meant, and how much of each.
struct SelectionFlags: ParsableArguments {
    @Option(
        name: .customLong("image"),
        help: ArgumentHelp(
            "Take from an archive, a folder or a whole registry only what matches, such as 'team/**' or 'apps/*:1.*'. May be repeated.",
            valueName: "pattern"))
    var images: [String] = []

    @OptionGroup var choice: BackupChoice

    @Option(
        name: .customLong("platform"),
        help: ArgumentHelp(
            "Take only this platform (os/arch[/variant]). One puts its manifest under the tag; several keep the index as it is, sparse.",
            valueName: "platform"))
    var platforms: [String] = []

    @Flag(name: .customLong("no-referrers"), help: "Leave signatures, SBOMs and attestations behind.")
    var noReferrers = false

    @OptionGroup var archive: ArchiveFlags
}

/// What an archive does not say of itself.
struct ArchiveFlags: ParsableArguments {
    @Option(
        name: .customLong("repository"),
        help: ArgumentHelp(
            "The repository of images in an archive or layout that names only tags.", valueName: "name"))
    var repository: String?

    @Option(
        name: .customLong("base"),
        help: ArgumentHelp(
            "What a delta archive builds on: an archive or layout folder that has its blobs. May be repeated.",
            valueName: "path"))
    var bases: [String] = []
}

/// What is done about things that are there already.
struct TargetFlags: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "What to do about a tag that points elsewhere at the target: never (a conflict), ours (moved if it still has what Lifeboat last wrote there) or always.",
            valueName: "rule"))
    var overwrite: String = "never"

    @Flag(name: .customLong("dry-run"), help: "Say what would be moved; write nothing.")
    var dryRun = false
}
