import OCI

/// The name of an archive with `{pipeline}`, `{date}` and `{time}` in it: the names of a series.
///
/// `{date}` is `2026-11-20` and `{time}` `235959`, both UTC, so that names sort as the archives were written.
public struct ArchiveTemplate: Sendable, Hashable {
    enum Piece: Sendable, Hashable {
        case text(String)
        case pipeline
        case date
        case time
    }

    let pieces: [Piece]

    /// - Throws: `LifeboatError` `.policy` for a name in braces that is not known, or a brace that is not closed.
    public init(parsing text: String) throws(LifeboatError) {
        var pieces: [Piece] = []
        var rest = text[...]
        while let open = rest.firstIndex(where: { $0 == "{" || $0 == "}" }) {
            guard rest[open] == "{", let close = rest[open...].firstIndex(of: "}") else {
                throw LifeboatError(.policy, "a brace is not closed, want {pipeline}, {date} or {time}")
            }
            if open > rest.startIndex { pieces.append(.text(String(rest[..<open]))) }
            switch rest[rest.index(after: open)..<close] {
            case "pipeline": pieces.append(.pipeline)
            case "date": pieces.append(.date)
            case "time": pieces.append(.time)
            case let other:
                throw LifeboatError(
                    .policy, "'{\(shown(other, limit: 80))}' is not known, want one of {pipeline}, {date}, {time}")
            }
            rest = rest[rest.index(after: close)...]
        }
        if !rest.isEmpty { pieces.append(.text(String(rest))) }
        self.pieces = pieces
    }

    /// Whether each day, at least, has a name of its own.
    public var isDated: Bool { pieces.contains(.date) }

    /// The name for one moment.
    ///
    /// - Parameter moment: milliseconds since 1970.
    /// - Throws: `LifeboatError` `.policy` if the pipeline's name would lead into another folder.
    public func name(pipeline: String, moment: Int64) throws(LifeboatError) -> String {
        let time = Moment(milliseconds: moment)
        if pieces.contains(.pipeline), pipeline.contains("/") || pipeline.hasPrefix(".") || pipeline.isEmpty {
            throw LifeboatError(
                .policy, "the pipeline's name '\(shown(pipeline, limit: 80))' cannot be part of a file's name")
        }
        return pieces.map { piece in
            switch piece {
            case .text(let text): text
            case .pipeline: pipeline
            case .date: time.day
            case .time: time.timeOfDay
            }
        }.joined()
    }

    /// Where in the series a name stands, earlier ones first; nil for a name that is none of it.
    func order(of name: String, pipeline: String) -> String? {
        var rest = name[...]
        var order = (date: "", time: "")
        for piece in pieces {
            switch piece {
            case .text(let text):
                guard rest.hasPrefix(text) else { return nil }
                rest = rest.dropFirst(text.count)
            case .pipeline:
                guard rest.hasPrefix(pipeline) else { return nil }
                rest = rest.dropFirst(pipeline.count)
            case .date:
                let date = rest.prefix(10)
                guard ArchiveTemplate.isDate(date), order.date.isEmpty || order.date == date else { return nil }
                order.date = String(date)
                rest = rest.dropFirst(10)
            case .time:
                let time = rest.prefix(6)
                guard ArchiveTemplate.isTimeOfDay(time), order.time.isEmpty || order.time == time else { return nil }
                order.time = String(time)
                rest = rest.dropFirst(6)
            }
        }
        return rest.isEmpty ? order.date + order.time : nil
    }
}

extension ArchiveTemplate {
    private static func isDate(_ text: some StringProtocol) -> Bool {
        let parts = text.split(separator: "-", omittingEmptySubsequences: false)
        guard parts.map(\.utf8.count) == [4, 2, 2], let month = number(parts[1]), let day = number(parts[2]) else {
            return false
        }
        return number(parts[0]) != nil && (1...12).contains(month) && (1...31).contains(day)
    }

    private static func isTimeOfDay(_ text: some StringProtocol) -> Bool {
        guard text.utf8.count == 6, let number = number(text) else { return false }
        return number / 10_000 < 24 && number / 100 % 100 < 60 && number % 100 < 60
    }

    private static func number(_ text: some StringProtocol) -> Int? {
        text.utf8.allSatisfy { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) } ? Int(text) : nil
    }
}
