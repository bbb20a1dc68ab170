import AsyncHTTPClient
import NIOCore
import NIOHTTP1
import OCI
import Synchronization

/// One request and its answer on the wire, both as streams.
///
/// At most `readAhead` bytes of the answer and `writeAhead` bytes of the request are held; beyond that the other side
/// waits. One task at a time uses it. Whenever that task waits, the remote side owes the next byte: this is what the
/// watchdog looks at. Everything that is thrown here is an error of the network or a `CancellationError`.
final class Exchange: Sendable {
    static let readAhead = 256 << 10
    static let writeAhead = 256 << 10

    private struct State {
        var head: HTTPResponseHead?
        var chunks = CircularBuffer<ByteBuffer>()
        var held = 0
        var hasEnded = false
        var failure: (any Error)?
        var isClosed = false
        var changes = 0
        var waiter: CheckedContinuation<Void, Never>?
        /// Completed when there is room for more of the answer.
        var demand: EventLoopPromise<Void>?
        var task: HTTPClient.Task<Void>?
        var writer: HTTPClient.Body.StreamWriter?
        var bodySent: EventLoopPromise<Void>?
        var isBodyFinished: Bool
        var unsent = 0
        var moved: Int64 = 0
    }

    private let state: Mutex<State>
    private let loop: any EventLoop
    private let bandwidth: RateLimit?
    private let explain: @Sendable (any Error) -> any Error

    /// - Parameters:
    ///   - bandwidth: what all exchanges with the registry share; nil for no limit.
    ///   - explain: makes an error of the HTTP library one that a user can read.
    init(
        hasBody: Bool, on loop: any EventLoop, bandwidth: RateLimit? = nil,
        explain: @escaping @Sendable (any Error) -> any Error
    ) {
        self.bandwidth = bandwidth
        state = Mutex(State(isBodyFinished: !hasBody))
        self.loop = loop
        self.explain = explain
    }

    func start(_ request: HTTPClient.Request, on client: HTTPClient) {
        let task = client.execute(request: request, delegate: self)
        task.futureResult.whenFailure { self.fail($0) }
        let failure = state.withLock { state in
            state.task = task
            return state.failure
        }
        if let failure { task.fail(reason: failure) }
    }

    // MARK: The answer

    /// The head of the answer, which may come before the request's body is finished.
    func head() async throws -> HTTPResponseHead {
        try await next { state in state.head }
    }

    /// The next bytes of the answer's body; nil after the last.
    func chunk() async throws -> ByteBuffer? {
        let (chunk, demand) = try await next { state -> (ByteBuffer?, EventLoopPromise<Void>?)? in
            guard let chunk = state.chunks.popFirst() else { return state.hasEnded ? (nil, nil) : nil }
            state.held -= chunk.readableBytes
            guard state.held <= Exchange.readAhead / 2 else { return (chunk, nil) }
            defer { state.demand = nil }
            return (chunk, state.demand)
        }
        demand?.succeed()
        if let bandwidth, let chunk { try await bandwidth.take(chunk.readableBytes) }
        return chunk
    }

    /// Of an answer that came before the request's body was finished: as much as is sure to come.
    ///
    /// The HTTP library never tells the end of such an answer, so without a length it is left unread.
    func collectEarly(upTo limit: Int) async throws -> ByteBuffer {
        let length = try await head().headers.first(name: "Content-Length").flatMap { Int($0) } ?? 0
        return length > 0 ? try await collect(upTo: min(length, limit)) : ByteBuffer()
    }

    /// The rest of the answer's body, or its first `limit` bytes if it is longer.
    func collect(upTo limit: Int) async throws -> ByteBuffer {
        var collected = ByteBuffer()
        while collected.readableBytes < limit, var chunk = try await chunk() {
            if let part = chunk.readSlice(length: min(chunk.readableBytes, limit - collected.readableBytes)) {
                collected.writeImmutableBuffer(part)
            }
        }
        return collected
    }

    /// The status of the answer, once its head has come.
    var status: Int? { state.withLock { $0.head.map { Int($0.status.code) } } }

    // MARK: The request's body

    /// Sends the next bytes of the request's body once there is room.
    ///
    /// - Returns: false, and nothing is sent, if the registry has answered already.
    func send(_ chunk: ByteBuffer) async throws -> Bool {
        let size = chunk.readableBytes
        try await bandwidth?.take(size)
        let writer = try await next { state -> HTTPClient.Body.StreamWriter?? in
            if state.head != nil { return .some(nil) }
            guard let writer = state.writer, state.unsent < Exchange.writeAhead else { return nil }
            state.unsent += size
            return writer
        }
        guard let writer else { return false }
        writer.write(.byteBuffer(chunk)).whenComplete { _ in
            self.change { state in
                state.unsent -= size
                state.moved += Int64(size)
            }
        }
        return true
    }

    /// Ends the request's body.
    func finish() {
        let promise = state.withLock { state in
            state.isBodyFinished = true
            defer { state.bodySent = nil }
            return state.bodySent
        }
        promise?.succeed()
    }

    /// The body that the HTTP library asks for: it hands over a writer and waits.
    func body(of length: Int64) -> HTTPClient.Body {
        .stream(contentLength: length) { [self] writer in
            let promise = loop.makePromise(of: Void.self)
            let isClosed = state.withLock { state in
                guard !state.isClosed else { return true }
                state.writer = writer
                state.bodySent = promise
                return false
            }
            if isClosed { promise.fail(HTTPClientError.cancelled) } else { change { _ in } }
            return promise.futureResult
        }
    }

    // MARK: The end

    /// Ends the exchange at the first fault; what has come of the answer can still be read.
    func fail(_ error: any Error) {
        let task = state.withLock { state in
            if state.failure == nil { state.failure = error }
            return state.task
        }
        change { _ in }
        task?.fail(reason: error)
    }

    /// Gives up whatever is still under way. Must be called once, at the end.
    func close() {
        let (task, demand, bodySent) = state.withLock { state in
            state.isClosed = true
            state.chunks.removeAll()
            defer {
                state.demand = nil
                state.bodySent = nil
                // Both lead to the request of the HTTP library, and from there back to here.
                state.writer = nil
                state.task = nil
            }
            return (state.hasEnded ? nil : state.task, state.demand, state.bodySent)
        }
        task?.fail(reason: HTTPClientError.cancelled)
        demand?.fail(HTTPClientError.cancelled)
        bodySent?.fail(HTTPClientError.cancelled)
    }

    /// What the watchdog sees.
    struct Progress {
        /// Whether we wait for the remote side.
        let isWaiting: Bool
        /// Whether it owes the head of the answer, the request being complete.
        let owesHead: Bool
        /// Bytes in both directions.
        let moved: Int64
    }

    var progress: Progress {
        state.withLock { state in
            Progress(
                isWaiting: state.waiter != nil, owesHead: state.isBodyFinished && state.head == nil,
                moved: state.moved)
        }
    }

    // MARK: Waiting

    /// Waits until `look` finds something.
    private func next<Found: Sendable>(_ look: @Sendable (inout State) -> Found?) async throws -> Found {
        while true {
            let (found, failure, seen) = state.withLock { state -> (Found?, (any Error)?, Int) in
                if let found = look(&state) { return (found, nil, 0) }
                return (nil, state.failure, state.changes)
            }
            if let found { return found }
            if let failure { throw failure is CancellationError ? failure : explain(failure) }
            await withTaskCancellationHandler {
                await withCheckedContinuation { continuation in
                    let isLate = state.withLock { state in
                        guard state.changes == seen, state.failure == nil else { return true }
                        state.waiter = continuation
                        return false
                    }
                    if isLate { continuation.resume() }
                }
            } onCancel: {
                fail(CancellationError())
            }
        }
    }

    private func change(_ body: @Sendable (inout State) -> Void) {
        let waiter = state.withLock { state in
            body(&state)
            state.changes += 1
            defer { state.waiter = nil }
            return state.waiter
        }
        waiter?.resume()
    }
}

extension Exchange: HTTPClientResponseDelegate {
    typealias Response = Void

    func didReceiveHead(task: HTTPClient.Task<Void>, _ head: HTTPResponseHead) -> EventLoopFuture<Void> {
        change { $0.head = head }
        return task.eventLoop.makeSucceededVoidFuture()
    }

    func didReceiveBodyPart(task: HTTPClient.Task<Void>, _ part: ByteBuffer) -> EventLoopFuture<Void> {
        let promise = task.eventLoop.makePromise(of: Void.self)
        let hasRoom = state.withLock { state in
            state.held += part.readableBytes
            state.moved += Int64(part.readableBytes)
            if !state.isClosed { state.chunks.append(part) }
            guard !state.isClosed, state.held >= Exchange.readAhead else { return true }
            state.demand = promise
            return false
        }
        if hasRoom { promise.succeed() }
        change { _ in }
        return promise.futureResult
    }

    func didFinishRequest(task: HTTPClient.Task<Void>) {
        change { $0.hasEnded = true }
    }

    func didReceiveError(task: HTTPClient.Task<Void>, _ error: any Error) {
        change { state in if state.failure == nil { state.failure = error } }
    }
}
