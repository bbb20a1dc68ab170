import OCI

/// The rate at which a blob comes over one connection, and whether that is slow.
struct Pace {
    private let policy: RangePolicy
    private var patience: Duration
    private var start = Duration.zero
    private var startReceived: Int64 = 0
    private var waited = Duration.zero
    private var bytes: Int64 = 0

    init(_ policy: RangePolicy) {
        self.policy = policy
        patience = policy.patience
    }

    /// Begins to measure anew.
    mutating func restart(received: Int64, at now: Duration) {
        start = now
        startReceived = received
        waited = .zero
        bytes = 0
    }

    /// More connections did not help: it takes longer until that is tried again.
    mutating func retreat() { patience *= 4 }

    /// Takes note of the bytes that came after a wait.
    ///
    /// - Parameter received: bytes from the registry so far, over all connections.
    /// - Returns: the rate of all connections, in bytes a second, if this one has turned out to be slow while nothing
    ///   but the connection was waited for; else nil.
    mutating func slowRate(after bytes: Int, waiting wait: Duration, received: Int64, at now: Duration) -> Double? {
        self.bytes += Int64(bytes)
        waited += wait
        let elapsed = now - start
        guard elapsed >= patience else { return nil }
        let isSlow = waited >= elapsed * policy.waiting && rate(self.bytes, elapsed) < Double(policy.slowRate)
        let total = rate(received - startReceived, elapsed)
        restart(received: received, at: now)
        return isSlow && total < Double(policy.fastRate) ? total : nil
    }
}

/// Over how many connections a blob is read: twice as many as long as that helps.
struct Lanes {
    /// How many there are first. Fewer are hardly worth the connections.
    static let first = 4
    /// After how many times the patience more are tried again that did not help before.
    private static let rest = 8
    /// How many measurements in a row must speak against more than one connection.
    private static let misses = 2

    private let policy: RangePolicy
    /// How many requests may be under way now.
    private(set) var count: Int
    /// How many there were before the last change, and bytes a second at that time.
    private var before: (count: Int, rate: Double)
    private var start: Duration
    private var startBytes: Int64
    private var parts = 0
    private var isSettled = false
    private var misses = 0

    /// - Parameters:
    ///   - rate: of one connection and all others to the registry, in bytes a second.
    ///   - received: bytes from the registry so far, over all connections.
    init(_ policy: RangePolicy, rate: Double, received: Int64, at now: Duration) {
        self.policy = policy
        count = min(Lanes.first, policy.connections)
        before = (1, rate)
        start = now
        startBytes = received
    }

    /// Takes note of a part that has come.
    ///
    /// - Returns: false if more connections than one are no use.
    mutating func isUseful(after received: Int64, at now: Duration) -> Bool {
        parts += 1
        let elapsed = now - start
        guard elapsed >= policy.patience * (isSettled ? Lanes.rest : 1), parts >= count else { return true }
        let rate = rate(received - startBytes, elapsed)
        let helped = rate >= before.rate * policy.gain
        if isSettled || helped {
            misses = 0
            before = (count, rate)
            isSettled = false
            count = min(count * 2, policy.connections)
            if count == before.count { isSettled = true }
        } else if before.count > 1 {
            count = before.count
            isSettled = true
        } else {
            misses += 1
            guard misses < Lanes.misses else { return false }
        }
        (start, startBytes, parts) = (now, received, 0)
        return true
    }

    /// The registry cannot cope with as many.
    mutating func fewer(received: Int64, at now: Duration) {
        count = max(1, count / 2)
        isSettled = true
        (start, startBytes, parts) = (now, received, 0)
    }
}

/// Bytes a second.
private func rate(_ bytes: Int64, _ time: Duration) -> Double {
    Double(bytes) * 1e9 / Double(max(1, time.nanoseconds))
}
