import ArgumentParser
import Lifeboat
import OCI
import OCIArchive

struct BackupsAcceptCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "accept", abstract: "Believe a suspect backup: what is gone from the registry is rightly gone.",
        discussion: """
            lifeboat backups accept /srv/nightly 0123456789ab
            """)

    @Argument(help: ArgumentHelp("The folder of a backup set.", valueName: "set"))
    var path: String

    @Argument(help: ArgumentHelp("The beginning of a backup's id.", valueName: "backup"))
    var backup: String

    func run() async throws {
        let environment = try RunEnvironment.command(nil)
        let set = try await BackupSet.open(
            path, surroundings: environment.surroundings, files: environment.fileSystem)
        let found = try await set.find(backup)
        guard let reason = found.header.suspect else {
            Terminal.answer("backup \(found.name) of \(found.moment) is not suspect")
            return
        }
        try await set.accept(found)
        Terminal.answer("backup \(found.name) of \(found.moment) is believed, although \(reason)")
    }
}
