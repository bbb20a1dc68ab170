import Synchronization

/// What the service knows of its pipelines at this moment, for those who ask.
public final class ScheduleBoard: Sendable {
    private let states = Mutex<[String: PipelineState]>([:])
    private let changed: @Sendable () -> Void

    /// - Parameter changed: called after each change; must not block.
    public init(changed: @escaping @Sendable () -> Void = {}) {
        self.changed = changed
    }

    /// By name.
    public var all: [PipelineState] {
        states.withLock { $0.values.sorted { ($0.record.name, $0.record.file) < ($1.record.name, $1.record.file) } }
    }

    func record(of file: String) -> RunRecord? { states.withLock { $0[file]?.record } }

    func set(_ state: PipelineState) {
        states.withLock { states in
            let known = states[state.record.file]
            states[state.record.file] = state
            states[state.record.file]?.next = known?.next
            states[state.record.file]?.isRunning = known?.isRunning ?? false
        }
        changed()
    }

    func setNext(_ next: Int64?, of file: String) {
        let isNew = states.withLock { states in
            defer { states[file]?.next = next }
            return states[file]?.next != next
        }
        if isNew { changed() }
    }

    func setRunning(_ isRunning: Bool, _ file: String) {
        states.withLock { $0[file]?.isRunning = isRunning }
        changed()
    }
}
