import OCI

/// When a pipeline runs by itself.
public struct Schedule: Sendable, Hashable {
    public var cron: CronSchedule
    public var zone: ZoneClock
    /// The longest time by which a run is put off, by chance, so that not all of a fleet asks at once; milliseconds.
    public var jitter: Int64 = 0
    /// Whether one run makes up for those that were missed while nobody was there to start them.
    public var catchesUp = true

    public init(cron: CronSchedule, zone: ZoneClock = .utc, jitter: Int64 = 0, catchesUp: Bool = true) {
        self.cron = cron
        self.zone = zone
        self.jitter = jitter
        self.catchesUp = catchesUp
    }

    /// The first time after a moment, without jitter.
    ///
    /// - Parameter moment: milliseconds since 1970, as the result is.
    public func next(after moment: Int64) -> Int64? {
        cron.next(after: moment.floored(by: 1000), in: zone).map { $0 * 1000 }
    }

    /// `0 2 * * * Europe/Berlin`
    public var description: String { "\(cron.text) \(zone.name)" }
}

/// What a backup is to be good for.
public struct Objectives: Sendable, Hashable {
    /// The greatest age of the newest good backup: recovery point objective.
    public var rpo: Duration?
    /// The longest time that a full restore may take: recovery time objective.
    public var rto: Duration?

    public init(rpo: Duration? = nil, rto: Duration? = nil) {
        self.rpo = rpo
        self.rto = rto
    }
}

/// Who is told of a pipeline's runs.
public struct Notifications: Sendable, Hashable {
    /// Once, when a run fails and the one before did not.
    public var onFailure: [NoticeChannel] = []
    /// After every run that succeeds.
    public var onSuccess: [NoticeChannel] = []
    /// Once, when a run succeeds and the one before did not.
    public var onRecovery: [NoticeChannel] = []

    public init() {}

    public var isEmpty: Bool { onFailure.isEmpty && onSuccess.isEmpty && onRecovery.isEmpty }
}

/// A way by which somebody is told.
public enum NoticeChannel: Sendable, Hashable {
    /// A POST of the notice as JSON, signed where there is a secret.
    case webhook(NoticeAddress, secret: RegistrySettings.Password?)
    /// A program that is given the notice on its standard input; no shell reads the words.
    case command([String])
    /// A GET: of the address after success, of `/fail` under it after a failure. For a dead man's switch.
    case ping(NoticeAddress)
}

/// An http or https address. It may be a secret as a whole, as many webhooks' are: messages show its host only.
public struct NoticeAddress: Sendable, Hashable, CustomStringConvertible, CustomReflectable {
    let text: String
    private let place: String

    /// - Throws: `LifeboatError` `.policy` for what is no such address, or has a user in it.
    public init(parsing text: String) throws(LifeboatError) {
        let scheme = ["https://", "http://"].first { text.lowercased().hasPrefix($0) }
        let rest = text.dropFirst(scheme?.utf8.count ?? 0)
        let host = rest.prefix { !"/?#".contains($0) }
        guard let scheme, Reference.isWellFormedHost(host), !rest.contains("#"), text.utf8.count <= 2000,
            text.utf8.allSatisfy({ (0x21...0x7e).contains($0) })
        else { throw LifeboatError(.policy, "want an address such as https://alerts.example.com/path, without a user") }
        self.text = text
        place = scheme + host.lowercased()
    }

    /// Scheme and host.
    public var description: String { place }
    public var customMirror: Mirror { Mirror(self, children: []) }

    /// What is asked for to report a failure to a dead man's switch.
    var failing: String {
        let query = text.firstIndex(of: "?") ?? text.endIndex
        let path = text[..<query]
        return path + (path.hasSuffix("/") ? "fail" : "/fail") + text[query...]
    }
}
