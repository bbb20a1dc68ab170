import OCI
import OCIRegistry

/// What a definition says beside its steps: how stores are to be used, and when it may run.
public struct PipelineSettings: Sendable {
    /// How registries are spoken to, by the store that names them.
    public var registries: [StoreDefinition: RegistrySettings] = [:]
    /// The series that an archive belongs to, by its path.
    public var series: [String: ArchiveSeries] = [:]
    /// How archives are written and read, by the store that names them.
    public var archives: [StoreDefinition: ArchiveSettings] = [:]
    /// How backup sets are kept, by their paths.
    public var backupSets: [String: BackupSetSettings] = [:]
    /// Which backups are kept in a set, by its path.
    public var retention: [String: SetRetention] = [:]
    /// The hours in which blobs may be started; nil for all.
    public var window: RunWindow?
    /// Tries in all of what fails for the moment, where a store says nothing else.
    public var attempts: Int?
    /// When it runs by itself; nil for never.
    public var schedule: Schedule?
    /// Who is told of its runs.
    public var notifications = Notifications()
    /// What its backups are to be good for.
    public var objectives = Objectives()

    public init() {}
}

extension RunEnvironment {
    /// How repositories are made at a store, if anything has to be done for it.
    func creation(at store: StoreDefinition) -> RepositoryCreation? {
        settings.registries[store]?.createRepositories.map {
            RepositoryCreation(command: $0, registry: store.description)
        }
    }

    /// The environment with what a definition says in place of what was said before.
    public func with(_ settings: PipelineSettings) -> RunEnvironment {
        var environment = self
        environment.settings = settings
        if let attempts = settings.attempts {
            environment.retry.attempts = attempts
            environment.registries.retry.attempts = attempts
        }
        return environment
    }
}

/// What a caller gives a definition besides its bytes.
public struct PipelineContext: Sendable {
    /// What `$NAME` stands for, as in the environment.
    public var variables: [String: String]
    /// What `--input NAME=VALUE` said: comes before the environment and the default.
    public var inputs: [String: String]
    /// What `{date}` and `{time}` stand for: milliseconds since 1970.
    public var moment: Int64
    /// Whether anybody on this machine may change the file.
    public var isWorldWritable: Bool
    /// What relative paths start from; nil for the folder of the file as it was named.
    public var folder: String?

    public init(
        variables: [String: String], inputs: [String: String] = [:], moment: Int64 = 0, isWorldWritable: Bool = false,
        folder: String? = nil
    ) {
        self.folder = folder
        self.variables = variables
        self.inputs = inputs
        self.moment = moment
        self.isWorldWritable = isWorldWritable
    }
}

/// A value that is given to a definition when it is run.
public struct PipelineInput: Sendable, Hashable {
    public var description: String?
    public var defaultValue: String?
}
