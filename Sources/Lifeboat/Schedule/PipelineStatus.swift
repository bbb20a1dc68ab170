import OCI

/// How a pipeline stands: what it was to do against what it did.
public struct PipelineStatus: Sendable {
    public let state: PipelineState
    /// Milliseconds since the newest good backup was begun; nil if there is none.
    public let backupAge: Int64?
    /// What is not as the objectives say, on one line each.
    public let missed: [String]

    /// What is wrong with the records of its sets, on one line each.
    public var alarms: [String] { state.sets.flatMap(\.alarms) }

    /// - Parameter now: milliseconds since 1970.
    public init(_ state: PipelineState, at now: Int64) {
        self.state = state
        let newest = ([state.record.lastBackup] + state.sets.map(\.newestGood)).compactMap { $0 }.max()
        backupAge = newest.map { max(0, now - $0) }
        var missed: [String] = []
        if let rpo = state.record.objectives.rpo {
            let wanted = Figures.span(rpo.milliseconds)
            switch backupAge {
            case nil: missed.append("no good backup is known, want one not older than \(wanted)")
            case let age? where age > rpo.milliseconds:
                missed.append("the newest good backup is \(Figures.span(age)) old, want \(wanted) at most")
            default: break
            }
        }
        if let rto = state.record.objectives.rto, let set = state.sets.first {
            let wanted = Figures.time(rto.seconds)
            let drill = state.sets.compactMap(\.drill).max { $0.at < $1.at }
            switch drill?.secondsToFullRestore {
            case nil:
                missed.append(
                    "no drill has shown how long a full restore takes, want \(wanted) at most: lifeboat drill \(set.path)"
                )
            case let seconds? where seconds > rto.seconds:
                missed.append(
                    "a full restore took \(Figures.time(seconds)) in the drill of \(Figures.instant(drill?.at ?? 0)), "
                        + "want \(wanted) at most")
            default: break
            }
        }
        self.missed = missed
    }

    /// 65 (damaged) if a set has an alarm, else 78 (policy) if an objective is missed, else 3 if the last run of one
    /// failed, else 0.
    public static func exitCode(_ states: [PipelineStatus]) -> Int32 {
        if states.contains(where: { !$0.alarms.isEmpty }) { return FailureKind.damaged.exitCode }
        if states.contains(where: { !$0.missed.isEmpty }) { return FailureKind.policy.exitCode }
        return states.contains { $0.state.record.isFailing } ? 3 : 0
    }

    /// For machines. Members are only ever added.
    public static func json(_ states: [PipelineStatus], at now: Int64) -> JSONValue {
        .object([
            "version": .number(1), "time": .string(Figures.instant(now)), "exitCode": .number(Int64(exitCode(states))),
            "pipelines": .array(states.map(\.json)),
        ])
    }

    private var json: JSONValue {
        let record = state.record
        var members: [String: JSONValue] = [
            "name": .string(record.name), "definition": .string(record.file), "running": .bool(state.isRunning),
            "failing": .bool(record.isFailing), "successes": .number(record.successes),
            "failures": .number(record.failures), "missed": .array(missed.map { .string($0) }),
        ]
        let moments: [(String, Int64?)] = [
            ("next", state.next), ("lastSuccess", record.lastSuccess), ("lastGoodBackup", record.lastBackup),
            ("lastVerify", record.lastVerify), ("lastDrill", record.lastDrill), ("failingSince", record.failingSince),
        ]
        for (name, moment) in moments { if let moment { members[name] = .string(Figures.instant(moment)) } }
        if let schedule = record.schedule {
            members["schedule"] = .object([
                "cron": .string(schedule.cron.text), "timezone": .string(schedule.zone.name),
            ])
        }
        if let backupAge { members["backupAgeSeconds"] = .number(backupAge / 1000) }
        if let rpo = record.objectives.rpo { members["rpoSeconds"] = .number(rpo.milliseconds / 1000) }
        if let rto = record.objectives.rto { members["rtoSeconds"] = .number(rto.milliseconds / 1000) }
        if case .object(var last)? = record.last?.json {
            last["began"] = .string(Figures.instant(record.last?.began ?? 0))
            last["ended"] = .string(Figures.instant(record.last?.ended ?? 0))
            members["last"] = .object(last)
        }
        members["sets"] = .array(
            state.sets.map { set in
                .object([
                    "path": .string(set.path), "backups": .number(Int64(set.backups)),
                    "images": .number(Int64(set.images)), "bytes": .number(set.bytes),
                    "drill": set.drill?.json ?? .null,
                    "newestGood": set.newestGood.map { .string(Figures.instant($0)) } ?? .null,
                    "alarms": .array(set.alarms.map { .string($0) }),
                ])
            })
        return .object(members)
    }
}

extension SetState.Drilled {
    fileprivate var json: JSONValue {
        .object([
            "time": .string(Figures.instant(at)), "passed": .bool(passed),
            "secondsToFullRestore": secondsToFullRestore?.json ?? .null,
        ])
    }
}

extension Figures {
    /// A time of any length, rounded to its largest unit or two: `40 s`, `12 min`, `9 h`, `3 d`.
    ///
    /// - Parameter milliseconds: 0 or more.
    public static func span(_ milliseconds: Int64) -> String {
        let seconds = milliseconds / 1000
        if seconds < 120 { return "\(seconds) s" }
        if seconds < 7200 { return "\(seconds / 60) min" }
        let hours = seconds / 3600
        if hours < 72 { return "\(hours) h" }
        return "\(hours / 24) d"
    }
}
