import ArgumentParser
import Lifeboat
import OCI
import OCIArchive

struct ForgetCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "forget", abstract: "Take backups out of a set: named ones, or those that a policy does not keep.",
        discussion: """
            lifeboat forget /srv/nightly --keep-last 7 --keep-daily 14 --keep-weekly 8 --dry-run
            lifeboat forget /srv/nightly 9f86d081884c
            lifeboat forget /srv/nightly --pipeline nightly.yaml --prune

            A policy looks at the backups of each pipeline and source by themselves. Their blobs stay until the set is
            pruned.
            """)

    @OptionGroup var set: SetArgument

    @Argument(
        help: ArgumentHelp(
            "Beginnings of ids; also of a backup that is gone, and the file name of a damaged record.",
            valueName: "backup"))
    var backups: [String] = []

    @OptionGroup var keep: KeepFlags

    @Option(
        help: ArgumentHelp(
            "Take the policy of the set out of this definition, for the backups that it has made.", valueName: "file"))
    var pipeline: String?

    @Flag(help: "Also if no complete backup, or not the newest verified one, is left.")
    var force = false

    @Flag(help: "Prune the set afterwards.")
    var prune = false

    @OptionGroup var grace: GraceFlags

    @Flag(name: .customLong("dry-run"), help: "Say what would be forgotten; change nothing.")
    var dryRun = false

    @OptionGroup var answer: AnswerFlags

    func run() async throws {
        let environment = try RunEnvironment.command(nil)
        let set = try await set.open(environment)
        let (policy, name) = try await policy(of: set, environment)
        guard (policy == nil) != backups.isEmpty else {
            throw LifeboatError(
                .usage, policy == nil ? "nothing says which backups to forget" : "backups and a policy are both given",
                advice: "name backups, or give a policy: --keep-last 7, or --pipeline FILE")
        }
        let grace = try grace.seconds
        var json: [String: JSONValue] = ["set": .string(set.path), "dryRun": .bool(dryRun)]
        if let policy {
            let rows = try await rows(policy, set, environment) { name == nil || $0.pipeline == name }
            if let name, rows.isEmpty {
                Terminal.story("note: \(set.name) has no backup of pipeline '\(shown(name, limit: 200))'")
            }
            json["policy"] = .string(policy.policy.description)
            json["backups"] = .array(rows.map(\.json))
            if !answer.json { for line in table(rows, policy) { Terminal.answer(line) } }
        } else {
            let choice = try await choice(set)
            json["backups"] = .array(choice.all.map { .object(["id": .string($0), "kept": .bool(false)]) })
            if !answer.json {
                for name in choice.all { Terminal.answer("\(dryRun ? "would forget" : "forgot") \(name)") }
            }
        }
        if prune, !dryRun {
            let report = try await set.prune(grace: grace)
            json["prune"] = report.json(of: set, isDryRun: false)
            if !answer.json { Terminal.answer(report.text(isDryRun: false)) }
        }
        if answer.json { Terminal.answer(JSONValue.object(json)) }
    }

    /// - Returns: also the name of the definition that it is from.
    private func policy(
        of set: BackupSet, _ environment: RunEnvironment
    ) async throws -> (SetRetention?, pipeline: String?) {
        guard let pipeline else { return (try keep.retention, nil) }
        let definition = try await Pipeline.command(pipeline, inputs: [:], in: environment)
        let place = resolvedPath(set.path)
        guard let policy = definition.settings.retention.first(where: { resolvedPath($0.key) == place })?.value else {
            let known = definition.settings.retention.keys.sorted().joined(separator: ", ")
            throw LifeboatError(
                .policy, "\(shown(pipeline, limit: 1000)) has no keep for the set \(set.name)",
                advice: known.isEmpty ? "keep: {last: 7} under its store" : "it has one for \(known)")
        }
        return (policy, definition.name)
    }

    private func rows(
        _ policy: SetRetention, _ set: BackupSet, _ environment: RunEnvironment,
        where isMeant: (BackupGroup) -> Bool
    ) async throws -> [SetRetention.Row] {
        let now = environment.surroundings.now() / 1000
        if dryRun { return try policy.rows(try await set.state(), of: set, now: now, force: force, where: isMeant) }
        return try await policy.apply(to: set, now: now, force: force, where: isMeant)
    }

    private func choice(_ set: BackupSet) async throws -> Forgetting.Choice {
        let forgetting = Forgetting(set, backups, force: force)
        return dryRun ? try await forgetting.choose(try await set.state()) : try await forgetting.run()
    }

    private func table(_ rows: [SetRetention.Row], _ policy: SetRetention) -> [String] {
        var lines: [String] = []
        for (group, rows) in rows.groups { lines += ["\(group):"] + table(rows) + [""] }
        let forgotten = rows.count { !$0.isKept }
        let each = rows.groups.count > 1 ? " of each" : ""
        return lines + [
            "\(policy.policy)\(each): \(count(rows.count - forgotten, "backup")) kept, \(forgotten) "
                + (dryRun ? "would be forgotten" : "forgotten")
        ]
    }

    /// Of one group.
    private func table(_ rows: [SetRetention.Row]) -> [String] {
        var table = Table(
            .init(title: "BACKUP"), .init(title: "TIME"), .init(title: "IMAGES", isNumber: true), .init(title: ""),
            .init(title: "WHY"))
        for row in rows.reversed() {
            let why = row.reasons.map(\.description).joined(separator: ", ")
            let state = row.backup.header.state == .incomplete ? "incomplete" : row.isSuspect ? "suspect" : ""
            table.rows.append([
                row.backup.name, row.backup.moment.description, String(row.backup.header.images),
                row.isKept ? "keep" : "forget", why.isEmpty ? state : why,
            ])
        }
        return table.lines
    }
}

extension Forgetting.Choice {
    /// What is chosen, as people and machines name it.
    fileprivate var all: [String] { backups.map(\.id.description) + absent.map(\.description) + damaged }
}

extension SetRetention.Row {
    fileprivate var json: JSONValue {
        .object([
            "id": .string(backup.id.description), "time": .string(backup.moment.description),
            "pipeline": .string(group.pipeline), "source": .string(group.source), "kept": .bool(isKept),
            "reasons": .array(reasons.map { .string($0.description) }),
        ])
    }
}
