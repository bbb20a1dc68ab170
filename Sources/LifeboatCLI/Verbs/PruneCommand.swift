import ArgumentParser
import Lifeboat
import OCI
import OCIArchive

struct PruneCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "prune", abstract: "Free the space of what no backup of a set needs any more.",
        discussion: """
            lifeboat prune /srv/nightly --dry-run
            lifeboat prune /srv/nightly

            Blobs that no backup needs go into the set's trash, and are deleted by a prune that comes after the grace. \
            Refused while a record is damaged or missing, or a backup is suspect.
            """)

    @OptionGroup var set: SetArgument
    @OptionGroup var grace: GraceFlags

    @Flag(name: .customLong("dry-run"), help: "Say what would be freed; change nothing.")
    var dryRun = false

    @OptionGroup var answer: AnswerFlags

    func run() async throws {
        let environment = try RunEnvironment.command(nil)
        let set = try await set.open(environment)
        let report = try await set.prune(grace: try grace.seconds, isDryRun: dryRun)
        Terminal.answer(answer.json ? report.json(of: set, isDryRun: dryRun).indented : report.text(isDryRun: dryRun))
        for note in report.notes { Terminal.story("note: " + note) }
    }
}

/// How long unneeded blobs stay in the trash.
struct GraceFlags: ParsableArguments {
    @Option(help: ArgumentHelp("How long unneeded blobs wait in the trash: days and hours, or 0.", valueName: "3d"))
    var grace = "3d"

    var seconds: Int64 {
        get throws {
            if grace == "0" { return 0 }
            let span: RetentionSpan
            do {
                span = try RetentionSpan(parsing: grace)
            } catch {
                throw wrong
            }
            guard span.years == 0, span.months == 0 else { throw wrong }
            return span.days * 86_400 + span.hours * 3600
        }
    }

    private var wrong: LifeboatError {
        LifeboatError(.usage, "--grace is '\(shown(grace, limit: 40))', want days and hours, such as 3d or 12h")
    }
}

extension PruneReport {
    func text(isDryRun: Bool) -> String {
        func line(_ done: String, _ planned: String, _ amount: Amount, _ rest: String = "") -> String? {
            guard amount.blobs > 0 else { return nil }
            return "\(isDryRun ? planned : done) \(size(amount.bytes)) (\(count(amount.blobs, "blob")))\(rest)"
        }
        let lines = [
            line("freed", "would free", freed),
            line("put", "would put", trashed, " into the trash"),
            line("took", "would take", takenBack, " out of the trash, since a backup needs them"),
            waiting.blobs == 0
                ? nil
                : "\(size(waiting.bytes)) (\(count(waiting.blobs, "blob"))) in the trash"
                    + (freedNext.map { ", free for deletion from \($0) on" } ?? ""),
            "\(count(kept, "blob")) of \(count(backups, "backup")) \(isDryRun ? "would stay" : "stay")",
        ]
        return lines.compactMap { $0 }.joined(separator: "\n")
    }

    func json(of set: BackupSet, isDryRun: Bool) -> JSONValue {
        func amount(_ amount: Amount) -> JSONValue {
            .object(["blobs": .number(Int64(amount.blobs)), "bytes": .number(amount.bytes)])
        }
        var members: [String: JSONValue] = [
            "set": .string(set.path), "dryRun": .bool(isDryRun), "backups": .number(Int64(backups)),
            "kept": .number(Int64(kept)), "trashed": amount(trashed), "takenBack": amount(takenBack),
            "freed": amount(freed), "waiting": amount(waiting), "notes": .array(notes.map { .string($0) }),
        ]
        if let freedNext { members["freedNext"] = .string(freedNext.description) }
        return .object(members)
    }
}
