import OCI
import Synchronization

/// Tells the operator what goes wrong with the store: each thing once in a while, however often it is asked for.
final class FaultLog: Sendable {
    /// How long what was told is not told again, in milliseconds.
    static let pause: Int64 = 10 * 60_000
    /// The most faults that are told within a minute; of the others only the number is.
    static let limit = 60
    /// The most faults that are remembered; beyond it all are forgotten.
    private static let memory = 10_000

    private struct State {
        var told: [String: Int64] = [:]
        var minute: Int64 = 0
        var count = 0
    }

    private let state = Mutex(State())
    private let now: @Sendable () -> Int64
    private let tell: @Sendable (String) -> Void

    /// - Parameter tell: is given one line at a time.
    init(now: @escaping @Sendable () -> Int64, tell: @escaping @Sendable (String) -> Void) {
        self.now = now
        self.tell = tell
    }

    /// Tells a fault of this side; one that the client has to see to is none.
    ///
    /// - Parameter subject: what it is about; nil if only the error knows.
    func note(_ failure: any Failure, about subject: Digest?) {
        switch failure.kind {
        case .damaged, .local, .internal, .unavailable, .protocolViolation: break
        default: return
        }
        tellOnce(failure.description, key: subject.map { "\(failure.kind) \($0)" })
    }

    /// - Parameter key: what it is known by; nil for the line itself.
    func tellOnce(_ line: String, key: String? = nil) {
        let time = now()
        let key = key ?? line
        let lines = state.withLock { state -> [String] in
            if let before = state.told[key], time - before < FaultLog.pause { return [] }
            if state.told.count >= FaultLog.memory { state.told.removeAll() }
            state.told[key] = time
            var lines: [String] = []
            if time / 60_000 != state.minute {
                let untold = state.count - FaultLog.limit
                if untold > 0 { lines.append("\(untold) more faults like these within a minute") }
                state.minute = time / 60_000
                state.count = 0
            }
            state.count += 1
            if state.count <= FaultLog.limit { lines.append(line) }
            return lines
        }
        for line in lines { tell(line) }
    }
}
