import OCI

/// What became of copying backups from one set to another.
public struct BackupSetCopy: Sendable {
    public internal(set) var copied: [Backup] = []
    /// Backups that the other set had already.
    public internal(set) var present = 0
    /// Bytes of blobs that were copied.
    public internal(set) var bytes: Int64 = 0
    public internal(set) var failed: [(backup: Backup, error: any Failure)] = []
    /// Backups that the set has lost or cannot read, so that nothing of them was copied.
    public internal(set) var alarms: [BackupAlarm] = []
}

extension BackupSet {
    private static let blobsAtATime = 4

    /// Brings backups into another set: the blobs that it lacks, checked as they pass, then the records as they are.
    ///
    /// - Throws: `ArchiveError` `.usage` for one and the same set; `FileError`. What is damaged stands in the result.
    /// - Parameters:
    ///   - chosen: nil for all that the other set does not have, and what is known to be forgotten or accepted.
    ///   - observe: told how many bytes have been read since it was told last.
    public func copy(
        _ chosen: [Backup]?, to other: BackupSet, observing observe: @escaping @Sendable (Int) -> Void = { _ in }
    ) async throws -> BackupSetCopy {
        guard resolvedPath(path) != resolvedPath(other.path) else {
            throw ArchiveError.usage("\(name) and \(other.name) are the same set", advice: "another folder")
        }
        return try await other.locked(shared: true) {
            try await other.folder.sweep()
            let there = Set(try await other.backups().map(\.id))
            let forgotten = try await other.forgotten()
            var result = BackupSetCopy()
            let state = try await state()
            let wanted = chosen ?? state.backups
            if chosen == nil { result.alarms = state.alarms.filter { $0.kind != .damagedEvidence } }
            for backup in wanted where chosen != nil || !forgotten.contains(backup.id) {
                if there.contains(backup.id) {
                    result.present += 1
                    continue
                }
                do {
                    result.bytes += try await copy(backup, to: other, observe)
                    result.copied.append(backup)
                } catch let error as any Failure where error.kind == .damaged || error.kind == .notFound {
                    result.failed.append((backup, error))
                }
            }
            if chosen == nil {
                for kind in ["forgotten", "accepted"] {
                    let known = try await other.evidence(kind).evidence
                    for evidence in try await evidence(kind).evidence where !known.contains(evidence) {
                        try await other.add(evidence)
                    }
                }
            }
            try await noteElsewhere(result, state, at: other)
            if !result.copied.isEmpty { try await other.writeIndex(of: try await other.find("latest")) }
            return result
        }
    }

    /// Says at the other set which backups the copied records name that stay here, so that nobody misses them there.
    ///
    /// What is lost here, or has a record that cannot be read, is missed there too.
    private func noteElsewhere(_ result: BackupSetCopy, _ state: BackupSetState, at other: BackupSet) async throws {
        var named: Set<Digest> = []
        for backup in result.copied { named.formUnion(try await links(of: backup).heads) }
        for (backup, _) in result.failed {
            do {
                try await checkBytes(of: backup)
            } catch let error as any Failure where error.kind == .damaged || error.kind == .notFound {
                named.remove(backup.id)
            }
        }
        named.subtract(state.alarms.compactMap(\.backup))
        named = named.filter { !state.hasDamagedRecord(of: $0) }
        named.subtract(try await other.backups().map(\.id))
        named.subtract(try await other.forgotten())
        guard !named.isEmpty else { return }
        try await other.add(
            BackupEvidence(
                kind: BackupEvidence.Kind.elsewhere.rawValue, at: other.now,
                ["sound": .array(named.sorted().map { .string($0.description) })]))
    }

    /// - Returns: bytes of the blobs that were copied.
    private func copy(
        _ backup: Backup, to other: BackupSet, _ observe: @escaping @Sendable (Int) -> Void
    ) async throws -> Int64 {
        let record = try await record(backup)
        let blobs = try await BackupBlobs(other)
        let sizes = try await map(record.blobs, limit: BackupSet.blobsAtATime) { blob -> Int64 in
            if try await blobs.holds(blob.descriptor) { return 0 }
            try await folder.read(blob.descriptor, after: nil) { try await blobs.store($0.observed(observe)) }
            return blob.size
        }
        try await blobs.finish()
        let copied = try await other.seal(record)
        guard copied.id == backup.id else {
            throw ArchiveError(.internal, "backup \(backup.name) became \(copied.name) at \(other.name)")
        }
        return sizes.reduce(0, +)
    }

    /// Makes `index.json` say what a backup holds.
    func writeIndex(of backup: Backup) async throws {
        let record = try await record(backup)
        var contents = ArchiveContents()
        contents.images = record.images
        contents.blobs = record.blobs
        try await writeIndex(contents)
    }

    /// Believes a suspect backup.
    public func accept(_ backup: Backup) async throws {
        try await add(
            BackupEvidence(
                kind: "accepted", at: Moment(milliseconds: surroundings.now()).seconds,
                ["backup": .string(backup.id.description)]))
    }
}
