import Logging
import OCI
import OCIArchive
import OCIRegistry

/// What a run takes from outside: files, time, chance, and how to reach registries.
public struct RunEnvironment: Sendable {
    public var fileSystem: any FileSystem
    public var surroundings: Surroundings
    public var registries: RegistryOptions
    /// Hosts that are spoken to without TLS, besides loopback ones.
    public var plainHTTPHosts: Set<String> = []
    public var logger: Logger
    /// Where files go that have no name, such as the manifests of a large plan.
    public var workFolder: String
    /// Blobs under way at once: at first, if nobody sets it, and else all the time.
    public var concurrency = 6 { didSet { mostConcurrency = concurrency } }
    /// The same as long as more bring more. Each holds about a megabyte.
    public private(set) var mostConcurrency = 12
    public var retry = RetryPolicy()
    /// The variables of the process, where identities of Azure stand.
    public var variables: [String: String] = [:]
    /// What a definition says of its stores and of when it may run.
    public var settings = PipelineSettings()
    /// What each step has to do, by its name, where a plan was made before; empty to do what the steps say.
    var agreed: [String: StepPlan] = [:]
    /// Whether damaged archives are opened for the images in them that are whole.
    var acceptsDamaged = false
    /// The repository of images in archives that name only a tag.
    public var defaultRepository: RepositoryName?
    /// What `overwrite: ours` asks, and what is told of every tag that an import writes; nil to remember nothing.
    public var writtenTags: (any WrittenTags)?
    /// Remembers when referrers were looked up; nil to look them up each time.
    public var referrerLookups: (any ReferrerLookups)?
    /// Puts a throw-away registry on a port, for drills; nil where there is no server.
    public var serving: ServingStore?
    /// How often referrers of what is at the target already are looked up again, whatever a definition says; zero for
    /// now.
    public var rescan: Duration?

    public init(
        fileSystem: any FileSystem, surroundings: Surroundings, registries: RegistryOptions, logger: Logger,
        workFolder: String
    ) {
        self.fileSystem = fileSystem
        self.surroundings = surroundings
        self.registries = registries
        self.logger = logger
        self.workFolder = workFolder
    }
}

extension RunEnvironment {
    /// Reads what `--rescan` says: `now`, or an interval such as `1d`.
    ///
    /// - Throws: `LifeboatError` of kind `.usage`.
    public static func rescan(parsing text: String) throws(LifeboatError) -> Duration {
        if text == "now" { return .zero }
        do {
            return try Quantity.interval(text)
        } catch {
            throw LifeboatError(.usage, "--rescan: \(error.description)", advice: "now, or a number with s, m, h or d")
        }
    }

    /// Whose referrers are looked up in a run that begins now.
    func rotation() -> ReferrerRotation {
        ReferrerRotation(memory: referrerLookups, now: surroundings.now(), interval: rescan)
    }
}
