import OCI
import OCIArchive

extension FileVerification {
    /// Reads every blob of every backup of a set, each once, and remembers in the set what it found.
    func verifySet(_ path: String) async throws -> Outcome {
        let set = try await BackupSet.open(
            path, surroundings: environment.surroundings, files: environment.fileSystem)
        let result = try await set.verify { [observe] in observe(.moved(bytes: $0)) }
        var sound = ImageReport(
            source: path, target: "", digest: nil, outcome: result.isSound && result.backups > 0 ? .done : .failed)
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
        if let error = result.unwritten {
            sound.notes.append(
                "the set was not told that it has been verified: \(error.description)"
                    + (result.isSound ? "" : "; the next export does not know what is damaged"))
        }
        if result.backups == 0, result.isSound {
            let nothing = LifeboatError(
                .notFound, "\(set.name) has no backup yet: there is nothing to verify",
                advice: "lifeboat export SOURCE --to \(set.name)/")
            return Outcome(images: finish(sound, [nothing]))
        }
        return Outcome(
            images: finish(
                sound, result.findings.map { LifeboatError(.damaged, $0.description, advice: $0.advice) }))
    }
}
