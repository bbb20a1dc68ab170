import OCI

extension BackupSet {
    /// What the set has, and what is wrong with it: reads the beginning of every record, and the evidence.
    ///
    /// A record names every head that its writer saw. So a backup that is named, is not there and was not forgotten has
    /// been taken away by somebody else.
    ///
    /// - Throws: `FileError`, `ArchiveError` `.policy` for too many records. What is damaged is an alarm.
    public func state() async throws -> BackupSetState {
        let (backups, damaged) = try await listing()
        var state = BackupSetState()
        state.backups = backups
        var forgotten: Set<Digest> = []
        /// Which file names a backup.
        var named: [Digest: String] = [:]
        for record in damaged {
            state.alarms.append(alarm(damaged: record))
        }
        for kind in BackupEvidence.Kind.allCases {
            let (evidence, damaged) = try await evidence(kind)
            for file in damaged { state.alarms.append(alarm(damagedEvidence: file)) }
            for evidence in evidence {
                let good = try evidence.passedBackups
                let bad = try evidence.failedBackups
                switch kind {
                case .forgotten, .elsewhere: forgotten.formUnion(good)
                case .accepted: state.accepted.formUnion(good)
                case .verified:
                    for backup in good { state.verified[backup] = evidence.at }
                    for backup in bad { state.failed[backup] = evidence.at }
                case .drilled, .written: break
                }
                guard kind != .forgotten, kind != .elsewhere else { continue }
                for backup in good + bad where named[backup] == nil {
                    named[backup] = "evidence that it was \(kind.rawValue)"
                }
            }
        }
        for (backup, time) in state.failed {
            // A later verification decides.
            if let passed = state.verified[backup] {
                if passed > time { state.failed[backup] = nil } else { state.verified[backup] = nil }
            }
        }
        for backup in backups {
            let links: Links
            do {
                links = try await self.links(of: backup)
            } catch let error as any Failure where error.kind != .local {
                state.alarms.append(alarm(damaged: DamagedRecord(file: backup.file, error: error)))
                continue
            }
            for head in links.heads { named[head] = "the record \(backup.name) of \(backup.moment)" }
            forgotten.formUnion(links.forgotten)
        }
        let present = Set(backups.map(\.id))
        alarmAboutSeals(&state, named.filter { !present.contains($0.key) })
        // A record that is there and damaged is not absent too.
        for (id, namer) in named.sorted(by: { $0.key < $1.key })
        where !present.contains(id) && !forgotten.contains(id) && !state.hasDamagedRecord(of: id) {
            state.alarms.append(
                BackupAlarm(
                    kind: .absent, backup: id, file: nil,
                    description:
                        "backup \(id.short) of \(name) is gone, and was not forgotten: \(namer) names it",
                    advice: "find out who removed it; put its record back from a copy of the set, or say that it is "
                        + "gone for good: lifeboat forget \(name) \(id.hex.prefix(12))"))
        }
        state.named = Set(named.keys)
        return state
    }

    /// A record whose file has the name of a backup that others name, and whose seal says another id: the seal was changed.
    private func alarmAboutSeals(_ state: inout BackupSetState, _ absent: [Digest: String]) {
        for (id, namer) in absent.sorted(by: { $0.key < $1.key }) {
            guard let found = state.backups.firstIndex(where: { $0.name == id.hex.prefix(12) }) else { continue }
            let backup = state.backups.remove(at: found)
            let error = ArchiveError.damaged(
                "\(place(of: backup.file)) was changed: its seal says \(backup.id), \(namer) says \(id)")
            state.alarms.append(alarm(damaged: DamagedRecord(file: backup.file, error: error)))
        }
    }

    private func alarm(damaged record: DamagedRecord) -> BackupAlarm {
        BackupAlarm(
            kind: .damagedRecord, backup: nil, file: record.file, description: record.error.description,
            advice: record.error.advice == BackupHeader.adviceOfNewer
                ? BackupHeader.adviceOfNewer : adviceAbout(record: record.file))
    }

    func adviceAbout(record file: String) -> String {
        "put it back from a copy of the set; where there is none, give it up: lifeboat forget \(name) "
            + shown(file, limit: 200)
    }

    private func alarm(damagedEvidence file: DamagedRecord) -> BackupAlarm {
        BackupAlarm(
            kind: .damagedEvidence, backup: nil, file: file.file, description: file.error.description,
            advice: "put it back from a copy of the set, or remove the file")
    }

    /// The twelve digits in the name of a record.
    static func shortID(ofRecord file: String) -> String? {
        guard file.hasSuffix(".jsonl"), let dash = file.lastIndex(of: "-") else { return nil }
        let digits = file[file.index(after: dash)...].dropLast(6)
        return digits.utf8.count == 12 ? String(digits) : nil
    }
}
