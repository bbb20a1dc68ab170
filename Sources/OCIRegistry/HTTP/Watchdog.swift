import OCI

/// Notices when the other side of an exchange no longer does its part.
///
/// Time in which we ourselves hold things up does not count, and there is no limit on the whole (N3, N4, N11).
struct Watchdog: Sendable {
    /// How often a window is looked at.
    private static let samples = 8

    /// What wakes all watchdogs of a registry.
    static func pulse(_ options: RegistryOptions, _ surroundings: Surroundings) -> Pulse {
        Pulse(every: options.idleTimeout / samples, surroundings)
    }

    let window: Duration
    /// Bytes within a window, below which it is a stall.
    let leastBytes: Int64
    /// The longest wait for the head of the answer.
    let headLimit: Duration

    /// What is wrong.
    enum Stall {
        /// No head of an answer.
        case silence(String)
        case slow(String)
    }

    init(_ options: RegistryOptions, headLimit: Duration) {
        window = options.idleTimeout
        let seconds = Double(window.components.seconds) + Double(window.components.attoseconds) * 1e-18
        leastBytes = max(1, Int64(seconds * Double(options.minimumRate)))
        self.headLimit = headLimit
    }

    /// Returns what is wrong as soon as something is.
    func watch(_ exchange: Exchange, _ pulse: Pulse) async throws -> Stall {
        let tick = pulse.interval
        var waitedForHead = Duration.zero
        var moved: [Int64] = []
        // The first beat comes sooner than the interval is long.
        try await pulse.beat()
        while true {
            try await pulse.beat()
            let progress = exchange.progress
            guard progress.isWaiting else {
                moved = []
                waitedForHead = .zero
                continue
            }
            if progress.owesHead {
                waitedForHead += tick
                moved = []
                if waitedForHead >= headLimit { return .silence("it has not answered for \(seconds(headLimit))") }
                continue
            }
            waitedForHead = .zero
            moved.append(progress.moved)
            guard moved.count > Watchdog.samples else { continue }
            let bytes = progress.moved - moved.removeFirst()
            if bytes < leastBytes { return .slow("only \(bytes) bytes moved in \(seconds(window))") }
        }
    }

    private func seconds(_ duration: Duration) -> String {
        let (seconds, attoseconds) = duration.components
        return attoseconds == 0 ? "\(seconds) s" : "\(seconds * 1000 + attoseconds / 1_000_000_000_000_000) ms"
    }
}
