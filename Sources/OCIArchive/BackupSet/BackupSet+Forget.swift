import OCI

extension BackupSet {
    /// Takes backups out of the set: for each one evidence is written, then its record is removed. The blobs stay until
    /// the set is pruned. After a crash in between, the backup is still there: the same again forgets it.
    ///
    /// - Parameters:
    ///   - because: for whoever reads the evidence, such as the rule of retention.
    ///   - choosing: which ones. They may be gone already: that ends the alarm about them. Nobody else changes the set
    ///     while it is asked and until all is done.
    ///   - givingUp: called afterwards: files of records that cannot be read, to be removed too.
    /// - Throws: `ArchiveError` `.locked` while another process writes or prunes, `.damaged` if a record that would stay
    ///   is; `FileError`, what `choosing` throws.
    public func forget(
        because reason: String, choosing: (BackupSetState) async throws -> [Digest],
        givingUp: () -> [String] = { [] }
    ) async throws {
        try await locked(shared: false) {
            let state = try await state()
            let ids = try await choosing(state)
            // What stays must be there to be restored: nothing goes because of a record that cannot be read.
            for backup in state.backups where !ids.contains(backup.id) { try await check(backup, in: state) }
            try await forgetLocked(ids, because: reason)
            for file in givingUp() {
                // A copy under a wrong name can go without its backup.
                let id = state.id(ofRecord: file).flatMap { id in state.backups.contains { $0.id == id } ? nil : id }
                try await giveUpLocked(record: file, id: id, because: reason)
            }
            try await writeNewestIndex()
        }
    }

    private func check(_ backup: Backup, in state: BackupSetState) async throws {
        do {
            try await checkBytes(of: backup)
        } catch let error as any Failure where error.kind == .damaged || error.kind == .notFound {
            throw ArchiveError.damaged(
                "nothing is forgotten: \(error.description)",
                advice: "put it back from a copy of the set; where there is none, give it up: lifeboat forget \(name) "
                    + backup.name)
        }
    }

    /// As `forget`, by whoever holds the lock alone.
    private func forgetLocked(_ ids: [Digest], because reason: String) async throws {
        let backups = Dictionary(uniqueKeysWithValues: try await self.backups().map { ($0.id, $0) })
        for id in ids {
            var details: [String: JSONValue] = ["because": .string(reason)]
            if let backup = backups[id] {
                details["record"] = .string(backup.file)
                details["images"] = .number(Int64(backup.header.images))
                details["source"] = .string(backup.header.source)
            }
            try await add(BackupEvidence(.forgotten, of: id, at: now, details: details))
        }
        try await removeRecords(ids.compactMap { backups[$0]?.file })
    }

    /// Gives up a record that cannot be read: its file goes, and the evidence names it.
    ///
    /// - Parameter id: of the backup, if another record names it.
    private func giveUpLocked(record file: String, id: Digest?, because reason: String) async throws {
        var members: [String: JSONValue] = ["because": .string(reason), "record": .string(file)]
        if let id { members["backup"] = .string(id.description) }
        try await add(BackupEvidence(kind: BackupEvidence.Kind.forgotten.rawValue, at: now, members))
        try await removeRecords([file])
    }

    private func removeRecords(_ names: [String]) async throws {
        guard !names.isEmpty else { return }
        // The evidence is durable: it must be, before the record goes.
        for file in names {
            do {
                try await files.remove(recordsPath + "/" + file)
            } catch let error as FileError where error.isNotFound {
                // Gone before us.
            }
        }
        try await files.syncFolder(recordsPath)
    }

    /// Makes `index.json` name the newest backup that is left: what it named may be forgotten.
    func writeNewestIndex() async throws {
        for backup in try await backups().reversed() {
            do {
                let record = try await record(backup)
                var contents = ArchiveContents()
                (contents.images, contents.blobs, contents.omitted) = (record.images, record.blobs, record.omitted)
                return try await writeIndex(contents)
            } catch let error as any Failure where error.kind == .damaged {
                continue  // an alarm says it
            }
        }
        try await writeIndex(ArchiveContents())
    }

    /// Seconds since 1970.
    var now: Int64 { Moment(milliseconds: surroundings.now()).seconds }
}
