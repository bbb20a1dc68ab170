import OCI

/// An error of a registry or of the way to it.
///
/// Never contains a password, a token or the query of a URL; what a registry said is escaped and cut.
public struct RegistryError: Failure {
    public let kind: FailureKind
    public let description: String
    public let advice: String?
    /// The HTTP status that was answered, if one was.
    public let status: Int?
    /// Whether the fault may pass by itself, so that the same request can be sent again.
    let isTransient: Bool
    /// How long the registry asks to wait before that.
    let retryAfter: Duration?
    /// Whether a whole wait for an answer has passed without one, so that more tries take long.
    let isSilence: Bool
    public let isLasting: Bool
    /// Whether the certificates of the other side were not accepted.
    let isDistrust: Bool
    /// How often the request was sent.
    public let attempts: Int

    init(
        _ kind: FailureKind, _ description: String, advice: String? = nil, status: Int? = nil,
        isTransient: Bool = false, retryAfter: Duration? = nil, isSilence: Bool = false, isLasting: Bool = false,
        attempts: Int = 1, isDistrust: Bool = false
    ) {
        self.isDistrust = isDistrust
        self.kind = kind
        self.description = description
        self.advice = advice
        self.status = status
        self.isTransient = isTransient
        self.retryAfter = retryAfter
        self.isSilence = isSilence
        self.isLasting = isLasting
        self.attempts = attempts
    }

    static func transient(_ description: String, advice: String? = nil, status: Int? = nil, retryAfter: Duration? = nil)
        -> RegistryError
    {
        RegistryError(
            .unavailable, description, advice: advice, status: status, isTransient: true, retryAfter: retryAfter)
    }

    /// The other side has taken the request, or the connection, and says nothing.
    static func silence(_ description: String) -> RegistryError {
        RegistryError(
            .unavailable, description, advice: "check that it is a registry and not overloaded", isTransient: true,
            isSilence: true)
    }

    static func protocolViolation(_ description: String, advice: String? = nil) -> RegistryError {
        RegistryError(.protocolViolation, description, advice: advice)
    }

    /// The same error when trying again has come to an end.
    func final(after attempts: Int) -> RegistryError {
        RegistryError(
            kind, attempts > 1 ? "\(description), after \(attempts) attempts" : description, advice: advice,
            status: status, attempts: attempts)
    }

    /// The same error for a request that is not even sent, since others have failed like this.
    func lasting(of name: String) -> RegistryError {
        RegistryError(
            kind, "\(name) is down, and is not asked each time: \(description)", advice: advice, status: status,
            isLasting: true)
    }

    /// The same error for an endless pause.
    func final(refusing wait: Duration, limit: Duration) -> RegistryError {
        RegistryError(
            kind,
            "\(description); it asks to wait \(wait.components.seconds) s, the limit is \(limit.components.seconds) s",
            advice: advice ?? "run it again later", status: status)
    }
}
