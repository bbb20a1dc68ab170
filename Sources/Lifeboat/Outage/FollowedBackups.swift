import OCI
import OCIArchive

/// A backup of a set, put on a port: one that was chosen, or the newest good one, whichever that is by and by.
///
/// The folders of records and evidence are looked at now and then; a record is read only when there is another one to serve. A record
/// that cannot be read leaves what is served as it is. Tags are those of what is served now; what is asked for by digest
/// is found in what was served before as well, so that pulls that have begun come to their end.
public struct FollowedBackups: RegistryScopedStore {
    /// The least time between two looks, in milliseconds.
    public static let pause: Int64 = 5000

    /// How long content of a backup is given out by digest after a newer one has taken its place, in milliseconds.
    public static let grace: Int64 = 3_600_000

    private let served: Served

    /// - Parameters:
    ///   - at: which backup (`BackupSet.find`); nil for the newest good one, as long as it is served.
    ///   - pipeline: the name of the definition that has made it; nil for any.
    ///   - tell: is given a line when another backup is served, or one that should be cannot be.
    public init(
        _ set: BackupSet, at: String?, of pipeline: String? = nil, in environment: RunEnvironment,
        tell: @escaping @Sendable (String) -> Void = { _ in }
    ) async throws {
        served = try await Served(set, at: at, pipeline, environment, tell)
    }

    public var name: String { served.name }

    public func repositories() async throws -> [RepositoryName] { try await served.directory().repositories() }

    public func registries() async throws -> Set<String> { try await served.directory().registries() }

    public func source(_ repository: RepositoryName) async throws -> any ImageSource {
        try await source(repository, of: nil)
    }

    public func source(_ repository: RepositoryName, of registry: String?) async throws -> any ImageSource {
        let current = try await served.directory()
        guard let former = await served.formerDirectory else {
            return try await current.source(repository, of: registry)
        }
        return try await FollowedRepository.open(repository, of: registry, in: current, former)
    }

    /// The backup that is served now.
    var backup: Backup { get async { await served.source.backup } }

    /// What is served now, on one line.
    public var summary: String {
        get async throws {
            let images = try await served.directory().images().count
            return "\(name) (\(Figures.count(images, "image"))), \(await served.source.summary)"
        }
    }

    /// What is served now.
    ///
    /// - Throws: as `BackupSource.checkPresence`, where it is not there any more.
    public var json: [String: JSONValue] {
        get async throws {
            let images = try await served.directory().images().count
            try await served.source.checkPresence()
            let backup = await served.source.backup
            return [
                "images": .number(Int64(images)),
                "backup": .object([
                    "id": .string(backup.id.description), "time": .string(backup.moment.description),
                    "state": .string(backup.header.state.rawValue),
                ]),
                "follows": .bool(served.follows),
            ]
        }
    }

    /// What is served now, and when was looked for something newer.
    private actor Served {
        nonisolated let name: String
        nonisolated let follows: Bool
        private let set: BackupSet
        private let pipeline: String?
        private let environment: RunEnvironment
        private let tell: @Sendable (String) -> Void
        private(set) var source: BackupSource
        private var current: ImageDirectory
        /// What was served before.
        private var former: (directory: ImageDirectory, until: Int64)?
        private var stamp: String?
        private var looked: Int64
        private var isLooking = false

        init(
            _ set: BackupSet, at: String?, _ pipeline: String?, _ environment: RunEnvironment,
            _ tell: @escaping @Sendable (String) -> Void
        ) async throws {
            self.set = set
            self.pipeline = pipeline
            self.tell = tell
            self.environment = environment
            name = set.name
            follows = at == nil
            stamp = try await Served.stamp(set, environment)
            looked = environment.surroundings.now()
            source = try await set.source(of: try await set.find(at ?? "latest", pipeline: pipeline))
            current = try await ImageDirectory(source)
        }

        func directory() async throws -> ImageDirectory {
            let now = environment.surroundings.now()
            guard follows, !isLooking, now - looked >= FollowedBackups.pause else { return current }
            looked = now
            isLooking = true
            defer { isLooking = false }
            do {
                try await look()
            } catch let error as any Failure {
                tell("still serving \(source.summary): \(error.description)")
            }
            return current
        }

        var formerDirectory: ImageDirectory? {
            guard let former, environment.surroundings.now() < former.until else { return nil }
            return former.directory
        }

        private func look() async throws {
            if formerDirectory == nil { former = nil }
            let now = try await Served.stamp(set, environment)
            guard now != stamp else { return }
            let newest = try await set.find("latest", pipeline: pipeline)
            if newest.id != source.backup.id {
                let opened = try await set.source(of: newest)
                let directory = try await ImageDirectory(opened)
                former = (current, environment.surroundings.now() + FollowedBackups.grace)
                current = directory
                source = opened
                tell("now serving \(source.summary)")
            }
            stamp = now
        }

        private static func stamp(_ set: BackupSet, _ environment: RunEnvironment) async throws -> String {
            // Evidence too: a backup may have been accepted, or said to be damaged.
            var stamps: [String] = []
            for folder in [set.path + "/records", set.evidencePath] {
                stamps.append(try await environment.fileSystem.status(folder, followLinks: true)?.stamp ?? "")
            }
            return stamps.joined(separator: " ")
        }
    }
}
