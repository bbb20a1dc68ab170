import NIOCore
import OCI

/// One blob in parts, several at once, each on a connection of its own; what is sent on is in order.
extension BlobDownload {
    /// Places for requests that parts leave free for everything else.
    static let spare = 2

    /// Why no more parts are asked for.
    enum PartsEnd {
        case complete
        /// They came no faster than all of it over one connection.
        case useless
        /// The registry answers with something else than was asked for.
        case refused
    }

    /// - Parameter rate: bytes a second from the registry up to now, over all connections.
    func runInParts(
        _ offset: inout Int64, of source: BlobPart.Source, rate: Double, _ send: (ByteBuffer) async throws -> Void
    ) async throws -> PartsEnd {
        let registry = repository.registry
        let window = RangeWindow.shared
        var held = 0
        defer { window.release(held) }
        do {
            return try await withThrowingTaskGroup(of: BlobPart.Arrival.self) { tasks in
                defer { tasks.cancelAll() }
                var source = source
                var lanes = Lanes(policy, rate: rate, received: registry.received, at: registry.uptime())
                var arrived: [Int64: ByteBuffer] = [:]
                var underWay = 0
                var next = offset
                while offset < blob.size {
                    while next < blob.size, underWay < lanes.count {
                        let count = Int(min(Int64(policy.partSize), blob.size - next))
                        let isNext = next == offset
                        guard isNext || registry.transport.spare > BlobDownload.spare,
                            window.take(count, isNext: isNext)
                        else { break }
                        held += count
                        let part = BlobPart(download: self, first: next, count: count, source: source)
                        tasks.addTask { try await part.read() }
                        underWay += 1
                        next += Int64(count)
                    }
                    if let bytes = arrived.removeValue(forKey: offset) {
                        let count = bytes.readableBytes
                        do { try await send(bytes) } catch { throw Rejected(cause: error) }
                        offset += Int64(count)
                        window.release(count)
                        held -= count
                        continue
                    }
                    guard let arrival = try await tasks.next() else { break }
                    underWay -= 1
                    arrived[arrival.first] = arrival.bytes
                    source = arrival.source
                    if arrival.hadFaults {
                        lanes.fewer(received: registry.received, at: registry.uptime())
                    } else if !lanes.isUseful(after: registry.received, at: registry.uptime()) {
                        return .useless
                    }
                }
                return .complete
            }
        } catch is WrongRange {
            return .refused
        }
    }
}
