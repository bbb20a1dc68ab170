import OCI
import OCIArchive

extension DrillResult {
    /// The answer for people.
    public var text: String {
        var lines: [String] = []
        let scope =
            isWhole
            ? "all \(Figures.count(imagesInAll, "image"))" : "\(images.count) of \(Figures.count(imagesInAll, "image"))"
        lines.append(
            "\(hasPassed ? "passed" : "FAILED"): drill of \(shown(store, limit: 1000)) at \(Moment(at)), \(scope), \(Figures.bytes(bytes))"
        )
        if let backup { lines.append("  backup         \(backup.hex.prefix(12))") }
        if let age, let backupTime {
            lines.append(
                "  age            \(Figures.time(Double(age))) (\(Moment(backupTime)))"
                    + verdict(reachesRPO, objectives.rpo))
        } else {
            lines.append("  age            not known" + verdict(reachesRPO, objectives.rpo))
        }
        lines.append("  first pull     " + (secondsToFirstPull.map { "after \(Figures.time($0))" } ?? "none"))
        if let secondsToRestore {
            lines.append("  restore        \(Figures.time(secondsToRestore))")
        }
        if let full = secondsToFullRestore {
            lines.append(
                "  full restore   \(isWhole ? "" : "about ")\(Figures.time(full))"
                    + (isWhole ? "" : " (\(Figures.bytes(bytesInAll)) at the rate of the sample)")
                    + verdict(reachesRTO, objectives.rto))
        } else {
            lines.append("  full restore   none" + verdict(reachesRTO, objectives.rto))
        }
        if let secondsToPullBack {
            lines.append(
                "  pulled back    \(Figures.bytes(bytesChecked)) in \(Figures.time(secondsToPullBack)), every byte checked"
            )
        }
        for failure in failures.prefix(DrillResult.shownFailures) {
            lines.append("  failed: \(failure.message)")
            if let advice = failure.advice { lines.append("    try: \(advice)") }
        }
        if failures.count > DrillResult.shownFailures {
            lines.append("  and \(failures.count - DrillResult.shownFailures) more failures")
        }
        return lines.joined(separator: "\n")
    }

    private static let shownFailures = 20

    private func verdict(_ isReached: Bool?, _ objective: Double?) -> String {
        guard let isReached, let objective else { return "" }
        return isReached
            ? ", within \(Figures.time(objective))" : ", MISSES the objective of \(Figures.time(objective))"
    }

    public var json: JSONValue { .object(members.merging(["kind": .string("drilled"), "at": .number(at)]) { $1 }) }

    /// What a set keeps of it.
    public var evidence: BackupEvidence { BackupEvidence(kind: "drilled", at: at, members) }

    private var members: [String: JSONValue] {
        var members: [String: JSONValue] = [
            "store": .string(store), "passed": .bool(hasPassed), "time": .string(Moment(at).description),
            "images": .number(Int64(images.count)), "imagesInAll": .number(Int64(imagesInAll)),
            "bytes": .number(bytes), "bytesInAll": .number(bytesInAll), "bytesChecked": .number(bytesChecked),
            "failures": .array(failures.prefix(DrillResult.shownFailures).map(\.json)),
        ]
        if !isWhole { members["sample"] = .array(images.map { .string($0) }) }
        if let backup { members["backup"] = .string(backup.description) }
        if let age { members["backupAge"] = .number(age) }
        if let secondsToFirstPull { members["secondsToFirstPull"] = secondsToFirstPull.json }
        if let secondsToRestore { members["secondsToRestore"] = secondsToRestore.json }
        if let secondsToFullRestore { members["secondsToFullRestore"] = secondsToFullRestore.json }
        if let secondsToPullBack { members["secondsToPullBack"] = secondsToPullBack.json }
        if let rto = objectives.rto, let reachesRTO {
            members["rto"] = .object(["objective": rto.json, "reached": .bool(reachesRTO)])
        }
        if let rpo = objectives.rpo, let reachesRPO {
            members["rpo"] = .object(["objective": rpo.json, "reached": .bool(reachesRPO)])
        }
        return members
    }
}

extension Drill {
    /// Keeps the result with the set, if it is of one.
    ///
    /// - Returns: why it could not be written, such as to a disk that can only be read: the rehearsal counts all the same.
    public func keep(_ result: DrillResult, of definition: StoreDefinition) async throws -> String? {
        guard case .backups(let path, _) = definition else { return nil }
        let set = try await BackupSet.open(
            path, surroundings: environment.surroundings, files: environment.fileSystem)
        do {
            try await set.add(result.evidence)
            return nil
        } catch let error as FileError {
            return "the result was not kept in the set: \(error.description)"
        }
    }
}
