import Synchronization

/// The memory for parts of blobs that come before their turn: of all blobs, from all registries.
final class RangeWindow: Sendable {
    static let shared = RangeWindow(bytes: 12 << 20)

    private let free: Mutex<Int>

    init(bytes: Int) {
        free = Mutex(bytes)
    }

    /// - Parameter isNext: whether a blob waits for these bytes and nothing else, which then always have room.
    /// - Returns: false if there is no room.
    func take(_ bytes: Int, isNext: Bool) -> Bool {
        free.withLock { free in
            guard isNext || free >= bytes else { return false }
            free -= bytes
            return true
        }
    }

    func release(_ bytes: Int) {
        free.withLock { $0 += bytes }
    }
}
