import OCI
import OCIArchive

/// What is known of one backup set.
public struct SetState: Sendable, Hashable {
    public var path: String
    /// Backups in it, complete or not.
    public var backups: Int
    /// When the newest one was begun that is complete and not suspect, in milliseconds since 1970.
    public var newestGood: Int64?
    /// Unique bytes that the newest one refers to.
    public var bytes: Int64
    /// Images in the newest one.
    public var images: Int

    public init(path: String, backups: Int, newestGood: Int64?, bytes: Int64, images: Int) {
        self.path = path
        self.backups = backups
        self.newestGood = newestGood
        self.bytes = bytes
        self.images = images
    }

    /// Reads the headers of a set's records.
    ///
    /// - Throws: what opening a set throws.
    static func read(_ path: String, surroundings: Surroundings, files: any FileSystem) async throws -> SetState {
        let backups = try await BackupSet.open(path, surroundings: surroundings, files: files).backups()
        let good = backups.last { $0.header.state == .complete && $0.header.suspect == nil }
        return SetState(
            path: path, backups: backups.count, newestGood: good.map { $0.header.began * 1000 },
            bytes: backups.last?.header.bytes ?? 0, images: backups.last?.header.images ?? 0)
    }
}

extension PipelineState {
    /// What a record comes to now, and the sets that the pipeline writes.
    ///
    /// - Parameter note: is given a line for each set that cannot be read, such as one whose disk is not there.
    public static func now(
        _ record: RunRecord, isRunning: Bool = false, surroundings: Surroundings, files: any FileSystem,
        note: (String) -> Void
    ) async throws -> PipelineState {
        var sets: [SetState] = []
        for path in record.sets {
            do {
                sets.append(try await SetState.read(path, surroundings: surroundings, files: files))
            } catch let error as any Failure {
                note(error.description)
            }
        }
        return PipelineState(
            record: record, next: record.schedule?.next(after: surroundings.now()), isRunning: isRunning, sets: sets)
    }
}
