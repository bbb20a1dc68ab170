import ArgumentParser
import Lifeboat
import LifeboatCatalog

/// Where Lifeboat keeps what it remembers from run to run.
struct StateFlags: ParsableArguments {
    @Option(
        name: .customLong("state"),
        help: ArgumentHelp(
            "The folder of the catalog, which remembers what was written where (default: the user's state folder).",
            valueName: "dir"))
    var folder: String?
}

extension RunEnvironment {
    /// Plugs in the catalog: of the command line, else of the definition, else the user's.
    mutating func plugInCatalog(_ flags: StateFlags, definition: String? = nil) {
        writtenTags = Catalog(folder: flags.folder ?? definition ?? workFolder)
    }
}
