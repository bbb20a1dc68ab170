import ArgumentParser
import Lifeboat
import LifeboatCatalog
import OCI
import OCIArchive

/// What is done with the catalog, besides using it.
struct CatalogCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "catalog", abstract: "Look after the catalog, the cache of what backup sets hold.",
        subcommands: [CatalogRebuildCommand.self])
}

struct CatalogRebuildCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "rebuild", abstract: "Make the catalog anew from the records and the evidence of sets.",
        discussion: """
            lifeboat catalog rebuild /srv/nightly

            A damaged catalog is put aside as NAME.damaged: with it goes which tags Lifeboat has written to which \
            registry, which overwrite: ours asks.
            """)

    @Argument(help: ArgumentHelp("Folders of backup sets.", valueName: "set"))
    var sets: [String]

    @OptionGroup var state: StateFlags

    func run() async throws {
        let environment = try RunEnvironment.command(nil)
        let catalog = Catalog(folder: state.folder ?? environment.workFolder)
        for path in sets {
            let set = try await openSet(path, environment)
            let (refreshed, aside) = try await catalog.rebuild(set)
            if let aside {
                Terminal.story(
                    "note: the catalog was damaged and is now \(shown(aside, limit: 1000)); tags that were written before "
                        + "count as not ours")
            }
            Terminal.answer(
                "\(set.name): \(count(refreshed.added, "backup")) in the catalog \(shown(catalog.path, limit: 1000))")
        }
        try await catalog.close()
    }
}
