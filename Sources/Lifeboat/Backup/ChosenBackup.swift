import OCI
import OCIArchive

/// The backup that somebody asked for, and what there is to say of the choice.
public struct ChosenBackup: Sendable {
    public let backup: Backup
    /// Which it is, and how old; then what speaks against it.
    public let words: [String]
}

extension BackupSet {
    /// - Parameters:
    ///   - word: what `find` takes; nil for the latest.
    ///   - pipeline: the name of the definition that has made it; nil for any.
    ///   - now: milliseconds since 1970.
    /// - Throws: as `find`.
    public func choose(_ word: String?, pipeline: String? = nil, now: Int64) async throws -> ChosenBackup {
        let backup = try await find(word ?? "latest", pipeline: pipeline)
        let header = backup.header
        var words = ["backup \(backup.name) of \(shown(header.source, limit: 300)), taken \(backup.moment)"]
        let asked = word.flatMap { Moment(rfc3339: $0) }
        let isByID = asked == nil && word != nil && word != "latest"
        if let asked {
            words[0] += ", \(Figures.span(seconds: asked.seconds - header.ended)) before \(asked)"
        } else if !isByID {
            words[0] += ", \(Figures.span(seconds: now / 1000 - header.ended)) ago"
        }
        words[0] += ": \(Figures.count(header.images, "image")), \(Figures.bytes(header.bytes))"
        if header.state == .incomplete { words.append("it is incomplete: lifeboat backups show names what is missing") }
        if let suspect = header.suspect {
            let isAccepted = try await accepted().contains(backup.id)
            words.append(
                isAccepted
                    ? "it was suspect and has been accepted: \(shown(suspect))" : "it is suspect: \(shown(suspect))")
        }
        if !isByID {
            words += try await othersThan(backup, pipeline: pipeline)
            words += try await state().alarms.filter { $0.kind != .damagedEvidence }.map {
                "there may be a newer one: \($0.description)"
            }
        }
        return ChosenBackup(backup: backup, words: words)
    }

    /// What the set has beside a backup that was chosen without saying of what.
    ///
    /// - Parameter way: how one of the others is chosen; nil for the words of the command line.
    func othersThan(_ backup: Backup, pipeline: String?, way: String? = nil) async throws -> [String] {
        let groups = try await backups().groups.filter { pipeline == nil || $0.group.pipeline == pipeline }
        guard groups.count > 1 else { return [] }
        let others = groups.filter { !$0.backups.contains { $0.id == backup.id } }.map(\.group.description)
        let flags = Set(groups.map(\.group.pipeline)).count > 1 ? "--pipeline NAME or --backup ID" : "--backup ID"
        return [
            "it is the newest of all; the set has others beside it (\(BackupGuard.names(others, by: "; "))): "
                + "\(way ?? flags) chooses one of those"
        ]
    }
}

extension Figures {
    /// `45 min`, `3 h 20 min`, `2 days 4 h`.
    public static func span(seconds: Int64) -> String {
        let minutes = max(0, seconds) / 60
        if minutes < 60 { return "\(minutes) min" }
        if minutes < 48 * 60 { return "\(minutes / 60) h \(minutes % 60) min" }
        return "\(minutes / 1440) days \(minutes / 60 % 24) h"
    }
}
