import ArgumentParser

/// What is done with backup sets, besides making, reading and serving them.
struct BackupsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "backups", abstract: "Look after backup sets.",
        subcommands: [
            BackupsInitCommand.self, BackupsAddCommand.self, BackupsCopyCommand.self, BackupsAcceptCommand.self,
        ])
}
