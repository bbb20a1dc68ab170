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
    /// The hours in which blobs may be started; nil for all.
    public var window: RunWindow?
    /// Tries in all of what fails for the moment, where a store says nothing else.
    public var attempts: Int?

    public init() {}
}

extension RunEnvironment {
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

    public init(
        variables: [String: String], inputs: [String: String] = [:], moment: Int64 = 0, isWorldWritable: Bool = false
    ) {
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
