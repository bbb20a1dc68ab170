import ArgumentParser
import Lifeboat
import OCI
import OCIArchive

struct HistoryCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "history", abstract: "Say what a tag pointed to, backup by backup of a set.",
        discussion: """
            lifeboat history /srv/nightly team/app:1.4
            """)

    @OptionGroup var set: SetArgument

    @Argument(help: ArgumentHelp("REPOSITORY:TAG, or HOST/REPOSITORY:TAG.", valueName: "tag"))
    var tag: String

    @OptionGroup var answer: AnswerFlags
    @OptionGroup var state: StateFlags

    func run() async throws {
        let environment = try RunEnvironment.command(nil)
        let set = try await set.open(environment)
        let name = try TagName(parsing: tag)
        let known = try await set.state()
        let backups = known.backups
        known.tellGaps()
        let spans = try await asking(state, environment) { try await $0.spans(of: name, in: set, backups) }
        let history = TagHistory(spans, backups: backups, suspect: Set(backups.filter(known.isSuspect).map(\.id)))
        if answer.json {
            Terminal.answer(
                JSONValue.object([
                    "set": .string(set.path), "tag": .string(name.description),
                    "history": .array(history.entries.map(\.json)),
                ]))
        } else if !history.entries.isEmpty {
            for line in table(history) { Terminal.answer(line) }
        }
        guard !history.entries.isEmpty else {
            throw LifeboatError(
                .notFound, "no backup of \(set.name) has \(name)", advice: "lifeboat backups show \(set.name)")
        }
    }

    /// Registry by registry, where there are several.
    private func table(_ history: TagHistory) -> [String] {
        let registries = Set(history.entries.map { $0.registry ?? "" }).sorted()
        guard registries.count > 1 else { return table(history.entries) }
        return registries.flatMap { registry in
            ["\(registry.isEmpty ? "of an unknown registry" : registry):"]
                + table(history.entries.filter { ($0.registry ?? "") == registry })
        }
    }

    private func table(_ entries: [TagHistory.Entry]) -> [String] {
        var table = Table(
            .init(title: "SINCE"), .init(title: "LAST SEEN"), .init(title: "BACKUP"), .init(title: "DIGEST"))
        for entry in entries {
            table.rows.append([
                entry.first.moment.description, entry.last.moment.description, entry.first.name,
                entry.digest.map(Terminal.digest) ?? "not there",
            ])
        }
        return table.lines
    }
}

extension TagHistory.Entry {
    fileprivate var json: JSONValue {
        var members: [String: JSONValue] = [
            "since": .string(first.moment.description), "firstBackup": .string(first.id.description),
            "lastSeen": .string(last.moment.description), "lastBackup": .string(last.id.description),
            "digest": digest.map { .string($0.description) } ?? .null,
        ]
        if let registry { members["registry"] = .string(registry) }
        return .object(members)
    }
}
