import OCI
import OCIArchive

/// The archives of one template in one folder, of which the newest are kept.
public struct ArchiveSeries: Sendable, Hashable {
    public let folder: String
    /// Of the file's name, without the folder.
    public let template: ArchiveTemplate
    public let pipeline: String
    /// How many are left, the newest; 1 or more.
    public let keep: Int

    public init(folder: String, template: ArchiveTemplate, pipeline: String, keep: Int) {
        self.folder = folder
        self.template = template
        self.pipeline = pipeline
        self.keep = keep
    }

    /// Removes the oldest archives beyond `keep`, after one has been written.
    ///
    /// Only regular files whose names are of the series and that can be opened as archives are removed, or counted.
    ///
    /// - Parameter written: the path that has just been written: never removed.
    /// - Returns: what was removed or left alone, on one line each.
    func prune(after written: String, opening: ArchiveOpening) async throws -> [String] {
        let files = opening.fileSystem
        var found: [String: (order: String, files: [String])] = [:]
        for name in try await files.list(folder) {
            // The volumes of one archive stay or go together.
            let archive = VolumeSearch.archive(ofVolume: name) ?? name
            guard let order = template.order(of: archive, pipeline: pipeline) else { continue }
            let (path, whole) = (inFolder(name), inFolder(archive))
            guard try await files.status(path, followLinks: false)?.kind == .file else { continue }
            found[whole, default: (order, [])].files.append(path)
        }
        let newest = found.sorted { ($0.value.order, $0.key) > ($1.value.order, $1.key) }
        var kept = 1  // the one that was just written
        var notes: [String] = []
        for (path, (_, parts)) in newest where path != written {
            if kept < keep {
                kept += 1
                continue
            }
            do {
                _ = try await openArchive(path, opening)
            } catch let error as any Failure {
                notes.append(
                    "\(shown(path, limit: 1000)) is left alone, since it is not an archive: \(error.description)")
                continue
            }
            for part in parts { try await files.remove(part) }
            notes.append("removed \(shown(path, limit: 1000)): keep is \(keep)")
        }
        if notes.contains(where: { $0.hasPrefix("removed") }) { try await files.syncFolder(folder) }
        return notes
    }

    private func inFolder(_ name: String) -> String { folder == "." ? name : folder + "/" + name }
}
