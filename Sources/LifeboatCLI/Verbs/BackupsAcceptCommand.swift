import ArgumentParser
import Lifeboat
import OCI
import OCIArchive

struct BackupsAcceptCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "accept", abstract: "Say that a suspect backup is right: its source has really lost that much.",
        discussion: """
            lifeboat backups accept /srv/nightly 9f86d081884c

            From then on it counts as any other, and the next backup is compared with it.
            """)

    @OptionGroup var set: SetArgument

    @Argument(help: ArgumentHelp("The beginning of an id.", valueName: "backup"))
    var backup: String

    func run() async throws {
        let environment = try RunEnvironment.command(nil)
        let set = try await set.open(environment)
        let backup = try await set.find(backup)
        guard backup.header.suspect != nil else {
            throw LifeboatError(.usage, "backup \(backup.name) of \(set.name) is not suspect")
        }
        try await set.add(
            BackupEvidence(.accepted, of: backup.id, at: environment.surroundings.now() / 1000))
        Terminal.answer("backup \(backup.name) of \(backup.moment) is accepted")
    }
}
