import Glibc
import Logging
import OCI
import OCIArchive

extension Runner {
    /// Writes the note for an outage beside each set that a step has added a backup to.
    ///
    /// - Returns: what went wrong; the backup is there in any case.
    func writeRescueNotes(of stores: [StoreDefinition]) async -> [String] {
        var notes: [String] = []
        for case .backups(let path, _) in stores {
            do {
                let note = try await RescueNote(of: path, in: environment)
                let set = try await BackupSet.open(
                    path, surroundings: environment.surroundings, files: environment.fileSystem)
                try await set.write(note: RescueNote.fileName, note.text)
                await remember(path)
            } catch {
                notes.append("\(RescueNote.fileName) was not written: \(FailureReport(error).message)")
            }
        }
        return notes
    }

    private func remember(_ path: String) async {
        do {
            try await KnownSets(environment).remember(path)
        } catch {
            environment.logger.debug("the set \(path) is not remembered: \(error)")
        }
    }
}

extension RescueNote.Backup {
    fileprivate init(_ backup: OCIArchive.Backup) {
        self.init(
            id: backup.id, time: backup.header.moment, images: backup.header.images, bytes: backup.header.bytes,
            source: backup.header.source)
    }
}

extension RescueNote {
    /// What there is to say of a set now.
    init(of path: String, in environment: RunEnvironment) async throws {
        let set = try await BackupSet.open(
            path, surroundings: environment.surroundings, files: environment.fileSystem)
        let accepted = try await set.accepted()
        let backups = try await set.backups()
        func newestGood(_ backups: [OCIArchive.Backup]) -> OCIArchive.Backup? {
            backups.last { $0.isGood(accepted) }
        }
        let good = newestGood(backups)
        var registries: Set<String> = []
        if let good {
            try await set.forEachImage(of: good) { image in
                if let registry = image.registry { registries.insert(registry) }
            }
        }
        self.init(
            set: absolutePath(path),
            newest: good.map(Backup.init), registries: registries.sorted())
        let groups = backups.groups
        guard groups.count > 1 else { return }
        others = groups.compactMap { newestGood($0.backups) }.filter { $0.id != good?.id }.map(Backup.init)
    }
}
