import OCI

/// What somebody is told of a run.
public struct Notice: Sendable {
    public enum Event: String, Sendable, CaseIterable { case failure, success, recovery }

    public var event: Event
    public var record: RunRecord
    /// The machine that it ran on.
    public var host: String
    /// When it is told, in milliseconds since 1970.
    public var sent: Int64

    public init(_ event: Event, _ record: RunRecord, host: String, sent: Int64) {
        self.event = event
        self.record = record
        self.host = host
        self.sent = sent
    }

    /// One line for people.
    var text: String {
        let name = shown(record.name, limit: 200)
        guard let last = record.last else { return "lifeboat: \(name)" }
        switch event {
        case .failure:
            return
                "lifeboat: \(name) on \(host) failed with exit code \(last.exitCode): \(last.message ?? "no reason given")"
        case .success, .recovery:
            let images = "\(Figures.count(last.done, "image")) moved, \(last.alreadyThere) already there"
            let what = event == .recovery ? "works again" : "is done"
            return "lifeboat: \(name) on \(host) \(what): \(images), \(Figures.bytes(last.bytesMoved))"
        }
    }

    /// The body of a webhook, and what a command reads. Members are only ever added.
    public var json: JSONValue {
        var members: [String: JSONValue] = [
            "version": .number(1), "event": .string(event.rawValue), "text": .string(text),
            "pipeline": .string(record.name), "definition": .string(record.file), "host": .string(host),
            "sent": .string(Figures.instant(sent)),
        ]
        if let moment = record.failingSince { members["failingSince"] = .string(Figures.instant(moment)) }
        if let moment = record.lastBackup { members["lastGoodBackup"] = .string(Figures.instant(moment)) }
        if let last = record.last {
            members["run"] = .object(
                last.json.membersOrNone.merging([
                    "began": .string(Figures.instant(last.began)), "ended": .string(Figures.instant(last.ended)),
                    "seconds": last.seconds.json,
                ]) { $1 })
        }
        return .object(members)
    }
}

extension JSONValue {
    fileprivate var membersOrNone: [String: JSONValue] { if case .object(let members) = self { members } else { [:] } }
}
