import ArgumentParser
import Lifeboat
import OCI
import OCIArchive

struct BackupsDiffCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "diff", abstract: "Say which tags came, moved and went between two backups.",
        discussion: """
            lifeboat backups diff /srv/nightly 9f86d081884c latest
            lifeboat backups diff /srv/nightly 2026-11-01T00:00:00Z latest --json
            """)

    @OptionGroup var set: SetArgument

    @Argument(help: ArgumentHelp("The older backup: the beginning of an id, a time, or latest.", valueName: "a"))
    var old: String

    @Argument(help: ArgumentHelp("The newer one.", valueName: "b"))
    var new: String

    @OptionGroup var answer: AnswerFlags

    func run() async throws {
        let environment = try RunEnvironment.command(nil)
        let set = try await set.open(environment)
        let backups = [try await set.find(old), try await set.find(new)]
        let records = [try await set.record(backups[0]), try await set.record(backups[1])]
        let difference = BackupDifference(from: records[0].images, to: records[1].images)
        if answer.json {
            var members: [String: JSONValue] = [
                "from": .string(backups[0].id.description), "to": .string(backups[1].id.description),
                "same": .number(Int64(difference.same)),
            ]
            for kind in ["added", "moved", "gone"] {
                members[kind] = .array(difference.entries.filter { $0.kind == kind }.map(\.json))
            }
            Terminal.answer(JSONValue.object(members))
            return
        }
        for entry in difference.entries { Terminal.answer(entry.line) }
        func number(_ kind: String) -> String { "\(difference.entries.count { $0.kind == kind }) \(kind)" }
        Terminal.answer(
            "\(backups[0].moment) → \(backups[1].moment):\(Terminal.isNarrow ? "\n  " : " ")\(number("added")), \(number("moved")), \(number("gone")), "
                + "\(difference.same) the same")
    }
}

extension BackupDifference.Entry {
    fileprivate var kind: String {
        switch change {
        case .added: "added"
        case .moved: "moved"
        case .gone: "gone"
        }
    }

    fileprivate var line: String {
        switch change {
        case .added(let digest): "+ \(shown(name))  \(Terminal.digest(digest))"
        case .moved(let old, let new): "~ \(shown(name))  \(Terminal.digest(old)) → \(Terminal.digest(new))"
        case .gone(let digest): "- \(shown(name))  \(Terminal.digest(digest))"
        }
    }

    fileprivate var json: JSONValue {
        switch change {
        case .added(let digest), .gone(let digest):
            .object(["name": .string(name), "digest": .string(digest.description)])
        case .moved(let old, let new):
            .object(["name": .string(name), "from": .string(old.description), "to": .string(new.description)])
        }
    }
}
