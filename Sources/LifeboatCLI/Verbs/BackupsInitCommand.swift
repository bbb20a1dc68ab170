import ArgumentParser
import Lifeboat
import OCI
import OCIArchive

struct BackupsInitCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "init", abstract: "Make a new, empty backup set.",
        discussion: """
            lifeboat backups init /srv/nightly
            lifeboat export 'registry.example.com/**' --to /srv/nightly/
            """)

    @Argument(help: ArgumentHelp("A folder that does not exist, or is empty.", valueName: "folder"))
    var path: String

    func run() async throws {
        let environment = try RunEnvironment.command(nil)
        let set = try await BackupSet.create(
            path, surroundings: environment.surroundings, files: environment.fileSystem)
        do {
            try await KnownSets(environment).remember(path)
        } catch let error as any Failure {
            Terminal.story("note: if its disk is not mounted, nobody will notice: \(error.description)")
        }
        Terminal.answer("\(set.name) is a backup set")
    }
}
