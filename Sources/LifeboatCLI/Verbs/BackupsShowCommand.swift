import ArgumentParser
import Lifeboat
import OCI
import OCIArchive

struct BackupsShowCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show", abstract: "Show what one backup holds.",
        discussion: """
            lifeboat backups show /srv/nightly
            lifeboat backups show /srv/nightly 2026-11-20T08:00:00Z
            """)

    @OptionGroup var set: SetArgument

    @Argument(
        help: ArgumentHelp(
            "The beginning of an id, a time (the newest backup not after it), or latest.", valueName: "backup"))
    var backup = "latest"

    @OptionGroup var answer: AnswerFlags

    func run() async throws {
        let environment = try RunEnvironment.command(nil)
        let set = try await set.open(environment)
        let backup = try await set.find(backup)
        let state = try await set.state()
        let record = try await set.record(backup)
        if answer.json {
            var members = backup.json(state)
            members["heads"] = .array(record.heads.map { .string($0.description) })
            members["images"] = .array(record.images.map(\.json))
            members["missing"] = .array(
                record.missing.map {
                    .object([
                        "name": .string($0.name), "class": .string($0.kind.rawValue), "message": .string($0.message),
                    ])
                })
            Terminal.answer(JSONValue.object(members))
            return
        }
        for line in lines(backup, record, state) { Terminal.answer(line) }
    }

    private func lines(_ backup: Backup, _ record: BackupRecord, _ state: BackupSetState) -> [String] {
        let header = backup.header
        var lines = [
            "backup    \(backup.id)",
            "time      \(backup.moment), after \(time(Double(max(0, header.ended - header.began))))",
            "source    \(shown(header.source, limit: 300))",
        ]
        if !header.pipeline.isEmpty { lines.append("pipeline  \(shown(header.pipeline, limit: 300))") }
        lines.append("state     \(state.words(of: backup))")
        if let suspect = header.suspect {
            lines.append("suspect   \(shown(suspect))" + (state.accepted.contains(backup.id) ? " (accepted)" : ""))
        }
        lines += [
            "verified  \(state.failed[backup.id].map { "damaged, \(Moment($0))" } ?? state.verified[backup.id].map { Moment($0).description } ?? "never")",
            "holds     \(count(header.images, "image")), \(count(header.blobs, "blob")), \(size(header.bytes)), of which \(size(header.bytesAdded)) were added",
            "",
        ]
        var table = Table(.init(title: "IMAGE"), .init(title: "DIGEST"))
        // Where there is little room: the source is named above.
        let isMixed = !Terminal.isNarrow || Set(record.images.map(\.registry)).count > 1
        for image in record.images {
            table.rows.append([
                shown(isMixed ? image.fullName : image.name), Terminal.digest(image.descriptor.digest),
            ])
        }
        lines += table.lines
        if !record.missing.isEmpty {
            lines += ["", "missing:"]
            lines += record.missing.map { "  \(shown($0.name)): \(shown($0.message))" }
        }
        return lines
    }
}

extension NamedImage {
    fileprivate var json: JSONValue {
        var members: [String: JSONValue] = [
            "repository": .string(repository.description), "digest": .string(descriptor.digest.description),
            "mediaType": .string(descriptor.mediaType.rawValue), "size": .number(descriptor.size),
        ]
        if let registry { members["registry"] = .string(registry) }
        if let tag { members["tag"] = .string(tag.description) }
        return .object(members)
    }
}
