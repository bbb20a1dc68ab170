import NIOCore

extension Content {
    /// Sends the same bytes to several receivers at once, at the pace of the slowest of them.
    ///
    /// They are read and checked once, here: as everywhere, nobody gets the last chunk before the whole is right. At
    /// most two chunks are in memory for each receiver.
    ///
    /// - Returns: what became of each receiver. One that fails drops out, and the others go on.
    /// - Throws: what the sender throws, and `OCIError` `.damaged`, once all receivers have ended.
    public func split(
        among receivers: [@Sendable (Content) async throws -> Void]
    ) async throws -> [Result<Void, any Error>] {
        let crossing = Crossing(lanes: receivers.count)
        return try await withThrowingTaskGroup(of: (Int, Result<Void, any Error>).self) { group in
            for (lane, receive) in receivers.enumerated() {
                let part = Content(partOf: self) { send in
                    while let chunk = try await crossing.next(lane) { try await send(chunk) }
                }
                group.addTask {
                    let result: Result<Void, any Error>
                    do {
                        try await receive(part)
                        result = .success(())
                    } catch {
                        result = .failure(error)
                    }
                    await crossing.leave(lane)
                    return (lane, result)
                }
            }
            var fault: (any Error)?
            do {
                try await forEachChunk { try await crossing.send($0) }
                await crossing.end(nil)
            } catch is NobodyReceives {
                // Each of them has its own reason.
            } catch {
                fault = error
                await crossing.end(error)
            }
            var results = [Result<Void, any Error>](repeating: .success(()), count: receivers.count)
            for try await (lane, result) in group { results[lane] = result }
            if let fault { throw fault }
            return results
        }
    }
}

/// Every receiver of a split content has ended, so that it need not be read further.
private struct NobodyReceives: Error {}

/// Where one sender meets several receivers: a slot for each, and the sender goes on when all of them are empty.
///
/// Neither side waits for ever: whoever is cancelled ends its reading or writing, which wakes the other.
private actor Crossing {
    private struct Lane {
        var slot: ByteBuffer?
        var receiver: CheckedContinuation<ByteBuffer?, any Error>?
        var isOpen = true
    }

    private var lanes: [Lane]
    private var sender: CheckedContinuation<Void, any Error>?
    private var hasEnded = false
    private var fault: (any Error)?

    init(lanes: Int) {
        self.lanes = Array(repeating: Lane(), count: lanes)
    }

    private var isTaken: Bool { lanes.allSatisfy { $0.slot == nil } }
    private var hasReceivers: Bool { lanes.contains(where: \.isOpen) }

    func send(_ chunk: ByteBuffer) async throws {
        guard hasReceivers else { throw NobodyReceives() }
        for lane in lanes.indices where lanes[lane].isOpen {
            if let receiver = lanes[lane].receiver {
                lanes[lane].receiver = nil
                receiver.resume(returning: chunk)
            } else {
                lanes[lane].slot = chunk
            }
        }
        if isTaken { return }
        try await withCheckedThrowingContinuation { sender = $0 }
    }

    /// The next chunk; nil at the end.
    func next(_ lane: Int) async throws -> ByteBuffer? {
        if let chunk = lanes[lane].slot {
            lanes[lane].slot = nil
            wakeSender()
            return chunk
        }
        if hasEnded {
            if let fault { throw fault }
            return nil
        }
        return try await withCheckedThrowingContinuation { lanes[lane].receiver = $0 }
    }

    func leave(_ lane: Int) {
        lanes[lane].isOpen = false
        lanes[lane].slot = nil
        wakeSender()
    }

    /// Nothing follows, because it was all or because of a fault.
    func end(_ fault: (any Error)?) {
        hasEnded = true
        self.fault = fault
        for lane in lanes.indices {
            guard let receiver = lanes[lane].receiver else { continue }
            lanes[lane].receiver = nil
            if let fault { receiver.resume(throwing: fault) } else { receiver.resume(returning: nil) }
        }
    }

    private func wakeSender() {
        guard isTaken, let waiting = sender else { return }
        sender = nil
        if hasReceivers { waiting.resume() } else { waiting.resume(throwing: NobodyReceives()) }
    }
}
