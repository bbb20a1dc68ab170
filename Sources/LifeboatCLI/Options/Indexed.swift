import Lifeboat
import LifeboatCatalog
import OCI
import OCIArchive

/// Asks the catalog, and the records themselves where it cannot say.
func asking<R: Sendable>(
    _ flags: StateFlags, _ environment: RunEnvironment, _ body: (any BackupIndex) async throws -> R
) async throws -> R {
    let catalog = Catalog(folder: flags.folder ?? environment.workFolder)
    let answer: R
    do {
        answer = try await body(catalog)
    } catch let error as CatalogError {
        Terminal.story(
            "note: \(error.description); the records are read instead"
                + (error.advice.map { "\n  try: " + (error.isDamage ? "lifeboat catalog rebuild, or " : "") + $0 } ?? "")
        )
        answer = try await body(RecordIndex())
    }
    do {
        try await catalog.close()
    } catch {
        Terminal.story("note: the catalog \(shown(catalog.path, limit: 1000)) was not closed: \(error)")
    }
    return answer
}

extension BackupSetState {
    /// Says of which backups an answer about all of them says nothing.
    func tellGaps() {
        for alarm in alarms where alarm.kind != .damagedEvidence {
            Terminal.story("note: this may not be all: \(alarm.description)\n  try: \(alarm.advice)")
        }
    }
}
