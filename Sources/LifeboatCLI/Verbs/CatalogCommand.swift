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

    @Flag(help: "Print the answer as JSON.")
    var json = false

    func run() async throws {
        let environment = try RunEnvironment.command(nil)
        let catalog = Catalog(folder: state.folder ?? environment.workFolder)
        var answers: [JSONValue] = []
        for path in sets {
            let set = try await openSet(path, environment)
            let (refreshed, aside) = try await catalog.rebuild(set)
            if let aside {
                Terminal.story(
                    "note: the catalog was damaged and is now \(shown(aside, limit: 1000)); tags that were written before "
                        + "count as not ours")
            }
            guard json else {
                Terminal.answer(
                    "\(set.name): \(count(refreshed.added, "backup")) in the catalog \(shown(catalog.path, limit: 1000))"
                )
                continue
            }
            var members: [String: JSONValue] = [
                "set": .string(set.path), "backups": .number(Int64(refreshed.added)), "catalog": .string(catalog.path),
            ]
            if let aside { members["damagedCatalog"] = .string(aside) }
            answers.append(.object(members))
        }
        try await catalog.close()
        if json { Terminal.answer(JSONValue.array(answers)) }
    }
}
