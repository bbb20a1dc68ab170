import ArgumentParser

/// The root of the command: one subcommand a verb.
struct LifeboatCommand: AsyncParsableCommand {
    static let version = "0.1.0"

    static let configuration = CommandConfiguration(
        commandName: "lifeboat",
        abstract: "Moves container images between registries and into backups, and proves that every byte arrived.",
        discussion: """
            Exit codes: 0 all of it worked, 3 some images failed, 4 plan --check: changes, 64 usage, 65 bytes damaged, 66 source not found, \
            69 registry unavailable, 70 a fault of lifeboat, 73 conflict at the target, 74 local I/O, 75 locked by another \
            run, 76 the registry breaks the protocol, 77 credentials refused, 78 definition or policy, 128+N signal N.
            """,
        version: version,
        subcommands: [
            CopyCommand.self, ExportCommand.self, ImportCommand.self, VerifyCommand.self, RepairCommand.self,
            InspectCommand.self, ListCommand.self, ServeCommand.self, PlanCommand.self, RunCommand.self,
            ValidateCommand.self,
            ConvertCommand.self, ScheduleCommand.self, StatusCommand.self, BackupsCommand.self, RestoreCommand.self,
            ForgetCommand.self, PruneCommand.self, HistoryCommand.self, FindCommand.self, CatalogCommand.self,
            MirrorsCommand.self, ProbeCommand.self, DrillCommand.self,
            LoginCommand.self, LogoutCommand.self,
        ])
}
