import OCI
import OCIArchive

extension FileVerification {
    /// Reads every blob of every backup of a set, each once, and remembers in the set what it found.
    func verifySet(_ path: String) async throws -> Outcome {
        let set = try await BackupSet.open(
            path, surroundings: environment.surroundings, files: environment.fileSystem)
        let result = try await set.verify { [observe] in observe(.moved(bytes: $0)) }
        var sound = ImageReport(source: path, target: "", digest: nil, outcome: result.isSound ? .done : .failed)
        sound.size = result.bytes
        sound.bytesMoved = result.bytes
        sound.imageCount = result.images
        sound.notes = [
            "\(Figures.count(result.backups, "backup")) of \(Figures.count(result.images, "image")), "
                + Figures.count(result.blobs, "blob")
        ]
        if result.unreferenced > 0 {
            sound.notes.append("\(Figures.count(result.unreferenced, "blob")) belong to no backup")
        }
        return Outcome(
            images: finish(
                sound, result.findings.map { LifeboatError(.damaged, $0.description, advice: $0.advice) }))
    }
}
