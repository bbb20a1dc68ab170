import ArgumentParser
import Lifeboat
import OCI
import OCIArchive

struct BackupsListCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "List the backups of a set: when, how much, and whether they were verified.",
        discussion: """
            lifeboat backups list /srv/nightly

            Only the beginnings of the records are read. Exit code 65 if a record was damaged, replaced or taken away.
            """)

    @OptionGroup var set: SetArgument
    @OptionGroup var answer: AnswerFlags

    func run() async throws {
        let environment = try RunEnvironment.command(nil)
        let set = try await set.open(environment)
        let state = try await set.state()
        if answer.json {
            Terminal.answer(
                JSONValue.object([
                    "set": .string(set.path), "backups": .array(state.backups.map { .object($0.json(state)) }),
                    "alarms": .array(state.alarms.map(\.json)),
                ]))
        } else {
            for line in table(state) { Terminal.answer(line) }
        }
        for backup in state.backups where state.isSuspect(backup) {
            Terminal.story("note: backup \(backup.name) is suspect: \(shown(backup.header.suspect ?? ""))")
        }
        try state.sayAlarms()
    }

    private func table(_ state: BackupSetState) -> [String] {
        guard !state.backups.isEmpty else { return ["no backups"] }
        var lines: [String] = []
        for (group, backups) in state.backups.groups { lines += ["\(group):"] + table(backups, state) + [""] }
        let added = state.backups.reduce(0) { $0 + $1.header.bytesAdded }
        return lines + ["\(count(state.backups.count, "backup")), \(size(added)) added in all"]
    }

    /// Of one group.
    private func table(_ backups: [Backup], _ state: BackupSetState) -> [String] {
        var table = Table(
            .init(title: "BACKUP"), .init(title: "TIME"), .init(title: "IMAGES", isNumber: true),
            .init(title: "SIZE", isNumber: true), .init(title: "ADDED", isNumber: true), .init(title: "STATE"))
        if !Terminal.isNarrow { table.columns.append(.init(title: "VERIFIED")) }
        for backup in backups {
            table.rows.append(
                [
                    backup.name, backup.moment.description, String(backup.header.images), size(backup.header.bytes),
                    size(backup.header.bytesAdded),
                ] + (Terminal.isNarrow ? [brief(backup, state)] : words(backup, state)))
        }
        return table.lines
    }

    private func words(_ backup: Backup, _ state: BackupSetState) -> [String] {
        let verified = state.verified[backup.id].map { Moment($0).description }
        let failed = state.failed[backup.id].map { "damaged, \(Moment($0))" }
        return [state.words(of: backup), failed ?? verified ?? "never"]
    }

    /// What matters most, where there are 80 columns.
    private func brief(_ backup: Backup, _ state: BackupSetState) -> String {
        if state.failed[backup.id] != nil { return "damaged" }
        let words = state.words(of: backup)
        return words == "complete" && state.verified[backup.id] != nil ? "complete, verified" : words
    }
}
