import OCI

/// The form in which it lies in the state folder. Members are only ever added.
extension RunRecord {
    static let version: Int64 = 1

    var json: JSONValue {
        var members: [String: JSONValue] = [
            "version": .number(RunRecord.version), "file": .string(file), "name": .string(name),
            "successes": .number(successes), "failures": .number(failures),
            "told": .array(told.sorted().map { .string($0) }), "owed": .array(owed.sorted().map { .string($0) }),
            "sets": .array(sets.map { .string($0) }),
        ]
        let moments: [(String, Int64?)] = [
            ("lastSuccess", lastSuccess), ("lastBackup", lastBackup), ("lastVerify", lastVerify),
            ("lastDrill", lastDrill), ("failingSince", failingSince), ("settled", settled),
            ("rpo", objectives.rpo?.milliseconds), ("rto", objectives.rto?.milliseconds),
        ]
        for (name, moment) in moments { if let moment { members[name] = .number(moment) } }
        if let schedule {
            members["schedule"] = .object([
                "cron": .string(schedule.cron.text), "timezone": .string(schedule.zone.name),
                "jitter": .number(schedule.jitter), "catchUp": .bool(schedule.catchesUp),
            ])
        }
        if let last { members["last"] = last.json }
        return .object(members)
    }

    /// - Throws: `OCIError` `.damaged`, `LifeboatError` for a record of another version.
    init(_ json: JSONValue) throws {
        let place = "the record"
        func moment(_ name: String) throws -> Int64? { try json[name]?.integer("\(place).\(name)") }
        func texts(_ name: String) throws -> [String] {
            try (json[name] ?? .array([])).array("\(place).\(name)").map { try $0.string("\(place).\(name)") }
        }
        let version = try (json["version"] ?? .null).integer("\(place).version")
        guard version == RunRecord.version else {
            throw LifeboatError(.local, "it has version \(version), this lifeboat knows \(RunRecord.version)")
        }
        self.init(
            file: try (json["file"] ?? .null).string("\(place).file"),
            name: try (json["name"] ?? .null).string("\(place).name"))
        successes = try moment("successes") ?? 0
        failures = try moment("failures") ?? 0
        told = Set(try texts("told"))
        owed = Set(try texts("owed"))
        sets = try texts("sets")
        lastSuccess = try moment("lastSuccess")
        lastBackup = try moment("lastBackup")
        lastVerify = try moment("lastVerify")
        lastDrill = try moment("lastDrill")
        failingSince = try moment("failingSince")
        settled = try moment("settled")
        objectives = Objectives(
            rpo: try moment("rpo").map { .milliseconds($0) }, rto: try moment("rto").map { .milliseconds($0) })
        schedule = try json["schedule"].flatMap { try RunRecord.schedule($0) }
        last = try json["last"].map { try Outcome($0) }
    }

    /// - Returns: nil for what is no schedule here, such as one of a zone that this machine does not know any more.
    private static func schedule(_ json: JSONValue) throws(OCIError) -> Schedule? {
        let cron = try (json["cron"] ?? .null).string("the record.schedule.cron")
        let zone = try (json["timezone"] ?? .null).string("the record.schedule.timezone")
        let jitter = try (json["jitter"] ?? .number(0)).integer("the record.schedule.jitter")
        do {
            return Schedule(
                cron: try CronSchedule(parsing: cron), zone: try ZoneClock(named: zone), jitter: jitter,
                catchesUp: json["catchUp"] != .bool(false))
        } catch {
            return nil
        }
    }
}

extension RunRecord.Outcome {
    var json: JSONValue {
        var members: [String: JSONValue] = [
            "began": .number(began), "ended": .number(ended), "exitCode": .number(Int64(exitCode)),
            "stopped": .bool(wasStopped), "done": .number(Int64(done)), "alreadyThere": .number(Int64(alreadyThere)),
            "failed": .number(Int64(failed)), "bytesMoved": .number(bytesMoved),
            "failures": .object(failures.mapValues { .number(Int64($0)) }),
        ]
        if let message { members["message"] = .string(message) }
        if let advice { members["advice"] = .string(advice) }
        return .object(members)
    }

    fileprivate init(_ json: JSONValue) throws {
        func number(_ name: String) throws -> Int64 { try (json[name] ?? .null).integer("last.\(name)") }
        guard let exitCode = Int32(exactly: try number("exitCode")) else {
            throw OCIError(.damaged, "last.exitCode is no exit code")
        }
        self.init(began: try number("began"), ended: try number("ended"), exitCode: exitCode)
        wasStopped = json["stopped"] == .bool(true)
        done = Int(try number("done"))
        alreadyThere = Int(try number("alreadyThere"))
        failed = Int(try number("failed"))
        bytesMoved = try number("bytesMoved")
        failures = try (json["failures"] ?? .object([:])).object("last.failures").mapValues {
            Int(try $0.integer("last.failures"))
        }
        message = json["message"]?.stringValue
        advice = json["advice"]?.stringValue
    }
}
