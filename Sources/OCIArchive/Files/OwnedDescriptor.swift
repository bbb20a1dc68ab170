import Synchronization

/// A file descriptor that is given up once.
final class OwnedDescriptor: Sendable {
    private let value: Mutex<Int32?>

    init(_ descriptor: Int32) {
        value = Mutex(descriptor)
    }

    var current: Int32? { value.withLock { $0 } }

    func take() -> Int32? {
        value.withLock { descriptor in
            defer { descriptor = nil }
            return descriptor
        }
    }
}
