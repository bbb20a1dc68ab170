import ArgumentParser
import Lifeboat
import OCI
import OCIArchive

/// The backup set that a verb looks after.
struct SetArgument: ParsableArguments {
    @Argument(help: ArgumentHelp("The folder of a backup set.", valueName: "set"))
    var path: String

    func open(_ environment: RunEnvironment) async throws -> BackupSet { try await openSet(path, environment) }
}

func openSet(_ path: String, _ environment: RunEnvironment) async throws -> BackupSet {
    var path = path[...]
    while path.count > 1, path.hasSuffix("/") { path = path.dropLast() }
    return try await BackupSet.open(
        String(path), surroundings: environment.surroundings, files: environment.fileSystem)
}

/// A form of the answer for machines.
struct AnswerFlags: ParsableArguments {
    @Flag(help: "Print the answer as JSON.")
    var json = false
}

extension BackupSetState {
    /// Says what is wrong with the set, and throws the exit code that it comes to.
    func sayAlarms() throws {
        for alarm in alarms { Terminal.story("lifeboat: alarm: \(alarm.description)\n  try: \(alarm.advice)") }
        if !alarms.isEmpty { throw ExitCode(FailureKind.damaged.exitCode) }
    }

    /// `complete`, `incomplete` or `suspect`.
    func words(of backup: Backup) -> String {
        if backup.header.state == .incomplete { return "incomplete" }
        return isSuspect(backup) ? "suspect" : "complete"
    }
}

extension Backup {
    /// All that is known of a backup without its images.
    func json(_ state: BackupSetState) -> [String: JSONValue] {
        var members: [String: JSONValue] = [
            "id": .string(id.description), "record": .string(file), "time": .string(moment.description),
            "began": .string(Moment(header.began).description), "pipeline": .string(header.pipeline),
            "source": .string(header.source), "state": .string(state.words(of: self)),
            "images": .number(Int64(header.images)), "blobs": .number(Int64(header.blobs)),
            "bytes": .number(header.bytes), "bytesAdded": .number(header.bytesAdded),
        ]
        if let suspect = header.suspect {
            members["suspect"] = .string(suspect)
            members["accepted"] = .bool(state.accepted.contains(id))
        }
        if let time = state.verified[id] { members["verified"] = .string(Moment(time).description) }
        if let time = state.failed[id] { members["verificationFailed"] = .string(Moment(time).description) }
        return members
    }
}

extension BackupAlarm {
    var json: JSONValue {
        var members: [String: JSONValue] = [
            "kind": .string(kind.rawValue), "message": .string(description), "advice": .string(advice),
        ]
        if let backup { members["backup"] = .string(backup.description) }
        if let file { members["file"] = .string(file) }
        return .object(members)
    }
}
