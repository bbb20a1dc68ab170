import ArgumentParser
import Lifeboat
import LifeboatCatalog

/// Where Lifeboat keeps what it remembers from run to run.
struct StateFlags: ParsableArguments {
    @Option(
        name: .customLong("state"),
        help: ArgumentHelp(
            "The folder of what is remembered from run to run: what was written where, and how runs ended (default: the user's state folder).",
            valueName: "dir"))
    var folder: String?

    @Option(
        help: ArgumentHelp(
            "How often to look again for new signatures and the like of images that are at the target already, such as 1d; now for all of them in this run.",
            valueName: "interval"))
    var rescan: String?
}

extension RunEnvironment {
    /// Plugs in the catalog: of the command line, else of the definition, else the user's.
    ///
    /// - Throws: `LifeboatError` `.usage` for a `--rescan` that is no interval.
    mutating func plugInCatalog(_ flags: StateFlags, definition: String? = nil) throws {
        let catalog = Catalog(folder: flags.folder ?? definition ?? workFolder)
        writtenTags = catalog
        referrerLookups = catalog
        rescan = try flags.rescan.map { try RunEnvironment.rescan(parsing: $0) }
    }
}
