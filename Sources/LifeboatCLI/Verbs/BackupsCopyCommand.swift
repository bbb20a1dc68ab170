import ArgumentParser
import Lifeboat
import OCI
import OCIArchive

struct BackupsCopyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "copy", abstract: "Bring the backups of a set into another one, with their ids and times.",
        discussion: """
            Only what the other set lacks is copied, and every byte of that is checked.

            lifeboat backups copy /srv/nightly /mnt/offsite/nightly
            """)

    @Argument(help: ArgumentHelp("The set that is copied.", valueName: "set"))
    var path: String

    @Argument(help: ArgumentHelp("The other set; it is made if there is no such folder.", valueName: "to"))
    var other: String

    @Option(
        help: ArgumentHelp("Only this backup: the beginning of its id, or latest. May be repeated.", valueName: "id"))
    var backup: [String] = []

    @OptionGroup var output: OutputFlags

    func run() async throws {
        let environment = try RunEnvironment.command(nil)
        let set = try await BackupSet.open(
            path, surroundings: environment.surroundings, files: environment.fileSystem)
        let target = try await BackupSet.create(
            other, surroundings: environment.surroundings, files: environment.fileSystem)
        var chosen: [Backup] = []
        for word in backup { chosen.append(try await set.find(word)) }
        let progress = Progress(isQuiet: output.quiet)
        let result = try await set.copy(backup.isEmpty ? nil : chosen, to: target) {
            progress.handle(.moved(bytes: $0))
        }
        progress.end()
        if output.json {
            Terminal.answer(result.json)
        } else {
            Terminal.answer(
                "\(Figures.count(result.copied.count, "backup")) copied, \(result.present) already there, "
                    + "\(Figures.bytes(result.bytes)) read: \(target.name)")
            for failure in result.failures { Terminal.story(failure.words) }
        }
        if let failure = result.failures.first {
            throw ExitCode(result.copied.isEmpty && result.present == 0 ? failure.kind.exitCode : 3)
        }
    }
}
