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
    ///   - at: a time, which means the newest backup not after it; nil for the latest.
    ///   - id: the beginning of an id, in place of a time.
    ///   - now: milliseconds since 1970.
    /// - Throws: as `find`.
    public func choose(at: String?, id: String?, now: Int64) async throws -> ChosenBackup {
        let backup = try await find(id ?? at ?? "latest")
        let header = backup.header
        var words = ["backup \(backup.name) of \(header.source), taken \(backup.moment)"]
        if id == nil {
            let asked: Moment
            if let at, at != "latest" { asked = try Moment(parsing: at) } else { asked = Moment(milliseconds: now) }
            let age = Figures.span(seconds: asked.seconds - header.ended)
            words[0] += at == nil ? ", \(age) ago" : ", \(age) before \(asked)"
        }
        words[0] += ": \(Figures.count(header.images, "image")), \(Figures.bytes(header.bytes))"
        if header.state == .incomplete { words.append("it is incomplete: lifeboat backups show names what is missing") }
        if let suspect = header.suspect { words.append("it is suspect: \(suspect)") }
        let others = Set(try await backups().map(\.header.source)).subtracting([header.source])
        if !others.isEmpty, id == nil {
            words.append(
                "the set has backups of \(others.sorted().joined(separator: ", ")) too; --backup chooses one of those")
        }
        return ChosenBackup(backup: backup, words: words)
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
