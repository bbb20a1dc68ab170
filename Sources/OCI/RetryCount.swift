import Synchronization

/// Counts what is tried again below the work of one task and its children, such as requests that a client repeats.
public final class RetryCount: Sendable {
    /// Where retries of this task are counted.
    @TaskLocal public static var current: RetryCount?

    private let count = Atomic<Int>(0)

    public init() {}

    public func add() { count.add(1, ordering: .relaxed) }

    public var value: Int { count.load(ordering: .relaxed) }
}
