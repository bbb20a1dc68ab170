import OCI
import OCIArchive

/// What is known of one backup set.
public struct SetState: Sendable, Hashable {
    public var path: String
    /// Backups of the pipeline in it, complete or not.
    public var backups: Int
    /// When the newest one was begun that is complete and not suspect, in milliseconds since 1970.
    public var newestGood: Int64?
    /// Unique bytes that the newest one refers to.
    public var bytes: Int64
    /// Images in the newest one.
    public var images: Int

    /// The newest rehearsal that it has evidence of.
    public var drill: Drilled?

    public struct Drilled: Sendable, Hashable {
        /// When it was, in milliseconds since 1970.
        public var at: Int64
        public var passed: Bool
        /// How long a restore of everything takes; nil where none came to its end.
        public var secondsToFullRestore: Double?
    }

    /// What is wrong with the set's records and evidence, on one line each.
    public var alarms: [String]

    public init(
        path: String, backups: Int, newestGood: Int64?, bytes: Int64, images: Int, alarms: [String] = []
    ) {
        self.path = path
        self.backups = backups
        self.newestGood = newestGood
        self.bytes = bytes
        self.images = images
        self.alarms = alarms
    }

    /// Reads the beginnings of a set's records, and its evidence.
    ///
    /// - Parameter pipeline: whose backups are meant, since a backup of another one says nothing of this; nil for all.
    /// - Throws: what opening a set throws.
    static func read(
        _ path: String, of pipeline: String? = nil, surroundings: Surroundings, files: any FileSystem
    ) async throws -> SetState {
        let set = try await BackupSet.open(path, surroundings: surroundings, files: files)
        let state = try await set.state()
        let backups = state.backups.filter { pipeline == nil || $0.header.pipeline == pipeline }
        let good = backups.last { $0.header.state == .complete && !state.isSuspect($0) }
        var result = SetState(
            path: path, backups: backups.count, newestGood: good.map { $0.header.began * 1000 },
            bytes: backups.last?.header.bytes ?? 0, images: backups.last?.header.images ?? 0,
            alarms: state.alarms.map(\.description))
        let drills = try await set.evidence(.drilled).evidence
        result.drill = drills.max { $0.at < $1.at }.map { evidence in
            Drilled(
                at: evidence.at * 1000, passed: evidence.members["passed"] == .bool(true),
                secondsToFullRestore: evidence.members["secondsToFullRestore"]?.seconds)
        }
        return result
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
                sets.append(try await SetState.read(path, of: record.name, surroundings: surroundings, files: files))
            } catch let error as any Failure {
                note(error.description)
            }
        }
        return PipelineState(
            record: record, next: record.schedule?.next(after: surroundings.now()), isRunning: isRunning, sets: sets)
    }
}

extension JSONValue {
    fileprivate var seconds: Double? {
        switch self {
        case .number(let number): Double(number)
        case .decimal(let text): Double(text)
        default: nil
        }
    }
}
