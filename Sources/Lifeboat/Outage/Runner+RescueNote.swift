import Glibc
import OCI
import OCIArchive

extension Runner {
    /// Writes the note for an outage beside each set that a step has added a backup to.
    ///
    /// - Returns: what went wrong; the backup is there in any case.
    func writeRescueNotes(of step: Step) async -> [String] {
        var notes: [String] = []
        for case .backups(let path, _) in step.work.writes {
            do {
                let note = try await RescueNote(of: path, in: environment)
                try await ReportFile.prepare(path + "/" + RescueNote.fileName, in: environment.fileSystem)
                    .write(note.text)
            } catch {
                notes.append("\(RescueNote.fileName) was not written: \(FailureReport(error).message)")
            }
        }
        return notes
    }
}

extension RescueNote {
    /// What there is to say of a set now.
    init(of path: String, in environment: RunEnvironment) async throws {
        let set = try await BackupSet.open(
            path, surroundings: environment.surroundings, files: environment.fileSystem)
        let good = try await set.backups().last { $0.header.state == .complete && $0.header.suspect == nil }
        var registries: Set<String> = []
        if let good {
            try await set.forEachImage(of: good) { image in
                if let registry = image.registry { registries.insert(registry) }
            }
        }
        self.init(
            set: RescueNote.absolute(path),
            newest: good.map { backup in
                Backup(
                    id: backup.id, time: backup.header.moment, images: backup.header.images,
                    bytes: backup.header.bytes, source: backup.header.source)
            }, registries: registries.sorted())
    }

    private static func absolute(_ path: String) -> String {
        guard !path.hasPrefix("/"), let folder = getcwd(nil, 0) else { return path }
        defer { free(folder) }
        return String(cString: folder) + "/" + path
    }
}
