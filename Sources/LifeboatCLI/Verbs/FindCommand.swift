import ArgumentParser
import Lifeboat
import OCI
import OCIArchive

struct FindCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "find",
        abstract: "Say which backups and images of a set have a digest: of an image, a config or a layer.",
        discussion: """
            lifeboat find /srv/nightly sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
            """)

    @OptionGroup var set: SetArgument

    @Argument(help: ArgumentHelp("A whole digest.", valueName: "digest"))
    var digest: String

    @OptionGroup var answer: AnswerFlags
    @OptionGroup var state: StateFlags

    func run() async throws {
        let environment = try RunEnvironment.command(nil)
        let set = try await set.open(environment)
        let digest = try wanted()
        let known = try await set.state()
        let backups = known.backups
        known.tellGaps()
        let holders = try await asking(state, environment) { try await $0.holders(of: digest, in: set, backups) }
        // Records say which blobs a backup has, and manifests which image needs them.
        var users: [NamedImage] = []
        if holders.images.isEmpty, let last = holders.spans.last?.last {
            users = try await DigestHolders.users(of: digest, in: backups[last], of: set)
        }
        if answer.json {
            Terminal.answer(json(set, holders, users, backups))
        } else {
            for line in lines(holders, users, backups) { Terminal.answer(line) }
        }
        guard !holders.spans.isEmpty else {
            throw LifeboatError(.notFound, "no backup of \(set.name) has \(digest)")
        }
    }

    private func wanted() throws -> Digest {
        do {
            return try Digest(parsing: digest)
        } catch {
            throw LifeboatError(.usage, error.description, advice: "a whole digest: sha256: and 64 hex digits")
        }
    }

    private func lines(_ holders: DigestHolders, _ users: [NamedImage], _ backups: [Backup]) -> [String] {
        guard !holders.spans.isEmpty else { return [] }
        func words(_ span: BackupSpan) -> String {
            let (first, last) = (backups[span.first], backups[span.last])
            let number = span.last - span.first + 1
            return "\(count(number, "backup")):\n    \(first.moment) (\(first.name))"
                + (number > 1 ? " to \(last.moment) (\(last.name))" : "")
        }
        var lines = [
            "\(Terminal.digest(holders.digest))  \(holders.role?.rawValue ?? "blob"), \(size(holders.size ?? 0))"
        ]
        lines += holders.spans.map { "  in \(words($0))" }
        for image in holders.images {
            lines.append("  is \(shown(image.image.fullName)) in \(words(image.span))")
        }
        lines += users.map { "  belongs to \(shown($0.fullName)) in the newest of them" }
        return lines
    }

    private func json(
        _ set: BackupSet, _ holders: DigestHolders, _ users: [NamedImage], _ backups: [Backup]
    ) -> JSONValue {
        func span(_ span: BackupSpan) -> [String: JSONValue] {
            [
                "firstBackup": .string(backups[span.first].id.description),
                "since": .string(backups[span.first].moment.description),
                "lastBackup": .string(backups[span.last].id.description),
                "lastSeen": .string(backups[span.last].moment.description),
                "backups": .number(Int64(span.last - span.first + 1)),
            ]
        }
        var members: [String: JSONValue] = [
            "set": .string(set.path), "digest": .string(holders.digest.description),
            "spans": .array(holders.spans.map { .object(span($0)) }),
            "images": .array(
                holders.images.map { image in
                    .object(span(image.span).merging(["name": .string(image.image.fullName)]) { $1 })
                }),
            "usedBy": .array(users.map { .string($0.fullName) }),
        ]
        if let role = holders.role { members["role"] = .string(role.rawValue) }
        if let bytes = holders.size { members["bytes"] = .number(bytes) }
        return .object(members)
    }
}
