import AsyncHTTPClient
import Logging
import NIOCore
import NIOHTTP1
import NIOPosix
import OCI
import Synchronization

/// Sends single requests to a registry's endpoint, within its limits and under a watchdog.
final class Transport: Sendable {
    /// One event loop for all registries: more are no faster and need more memory.
    static let sharedLoop = MultiThreadedEventLoopGroup(numberOfThreads: 1)

    let registry: WebAddress
    let endpoint: Endpoint
    private let options: RegistryOptions
    private let surroundings: Surroundings
    private let group: any EventLoopGroup
    private let pulse: Pulse
    private let limiter: RequestLimiter
    let breaker: CircuitBreaker
    /// Nil, and nothing is done for it, where there is no such limit.
    private let requestLimit: RateLimit?
    private let bandwidth: RateLimit?
    private let counts = Mutex<[RequestKind: Int]>([:])

    /// - Parameter uptime: the time since some moment.
    init(
        _ registry: WebAddress, options: RegistryOptions, surroundings: Surroundings,
        uptime: @escaping @Sendable () -> Duration
    ) throws(RegistryError) {
        self.registry = registry
        self.options = options
        self.surroundings = surroundings
        group = options.eventLoopGroup ?? Transport.sharedLoop
        pulse = Watchdog.pulse(options, surroundings)
        limiter = RequestLimiter(limit: options.connections)
        breaker = CircuitBreaker(
            registry.authority, retry: options.retry, surroundings: surroundings, uptime: uptime)
        requestLimit = RateLimit(requestsPerSecond: options.requestsPerSecond, surroundings: surroundings)
        bandwidth = RateLimit(bytesPerSecond: options.bytesPerSecond, surroundings: surroundings)
        endpoint = try Endpoint(registry, options: options, group: group)
    }

    /// What is sent, once.
    struct Call {
        enum Body {
            case none
            case bytes(ByteBuffer)
            /// As many bytes, from `Exchange.send`.
            case stream(Int64)
        }

        var kind: RequestKind
        var method: HTTPMethod
        var address: WebAddress
        var headers: HTTPHeaders
        var body = Body.none
        /// The longest wait for the head of the answer; nil for the usual one.
        var headLimit: Duration?
    }

    /// Sends a request and lets `body` deal with the exchange, which ends with it.
    ///
    /// - Throws: `RegistryError`, and what `body` throws.
    func exchange<R>(_ call: Call, _ body: (Exchange) async throws -> R) async throws -> R {
        // A token is fetched on behalf of a request that waits for nothing else, so it needs no place of its own.
        if call.kind == .token { return try await perform(call, body) }
        let use: RequestLimiter.Use = if case .stream = call.body { .upload } else { .other }
        return try await limiter.withPlace(use) {
            // Other hosts, to which the registry redirects, are not its own.
            let isOurs = call.address.hasSameOrigin(as: registry)
            if isOurs { try await breaker.admit() }
            let era = limiter.era
            var status: Int?
            do {
                let result = try await perform(call) { exchange in
                    defer { status = exchange.status }
                    return try await body(exchange)
                }
                note(status, nil, since: era, isOurs: isOurs)
                return result
            } catch {
                // An upload may fail because of where its bytes come from.
                note(status, use == .upload ? nil : error, since: era, isOurs: isOurs)
                throw error
            }
        }
    }

    /// Learns from how a request has ended how the registry is.
    private func note(_ status: Int?, _ error: (any Error)?, since era: Int, isOurs: Bool) {
        let fault = error as? RegistryError
        if status.map(Transport.overload.contains) ?? fault?.isSilence ?? false {
            limiter.fall(since: era)
        } else if let status, status < 500 {
            limiter.rise()
        }
        guard isOurs else { return }
        if let status, status < 500 {
            breaker.noteAnswer()
        } else if let status {
            breaker.noteFault(fault ?? .transient("\(registry.authority) answers \(status)", status: status))
        } else if let fault, fault.isTransient {
            breaker.noteFault(fault)
        } else {
            breaker.noteNothing()
        }
    }

    /// Statuses by which a registry says that it has too much to do.
    private static let overload = [429, 503]

    private func perform<R>(_ call: Call, _ body: (Exchange) async throws -> R) async throws -> R {
        try await requestLimit?.take(1)
        let connection = try await endpoint.connection(to: call.address)
        let exchange = Exchange(hasBody: call.hasBody, on: group.any(), bandwidth: bandwidth) {
            [registry, endpoint] error in
            if Fault.isConnectFault(error), call.address.host == registry.host {
                Task { await endpoint.giveUp(connection.address) }
            }
            return Fault.explain(error, at: call.address)
        }
        let request = try request(call, exchange)
        counts.withLock { $0[call.kind, default: 0] += 1 }
        defer { exchange.close() }
        return try await withThrowingTaskGroup(of: Void.self) { tasks in
            tasks.addTask { [options, pulse] in
                let usual = call.isReading ? options.headerTimeout : options.writeTimeout
                let watchdog = Watchdog(options, headLimit: call.headLimit ?? usual)
                let place = "\(call.address.authority) has stalled"
                switch try await watchdog.watch(exchange, pulse) {
                case .silence(let reason): exchange.fail(RegistryError.silence("\(place): \(reason)"))
                case .slow(let reason): exchange.fail(RegistryError.transient("\(place): \(reason)"))
                }
            }
            defer { tasks.cancelAll() }
            exchange.start(request, on: connection.client)
            return try await body(exchange)
        }
    }

    private func request(_ call: Call, _ exchange: Exchange) throws -> HTTPClient.Request {
        var headers = call.headers
        headers.replaceOrAdd(name: "User-Agent", value: "lifeboat")
        headers.replaceOrAdd(name: "Accept-Encoding", value: "identity")
        let body: HTTPClient.Body? =
            switch call.body {
            case .none: nil
            case .bytes(let bytes): .byteBuffer(bytes)
            case .stream(let length): exchange.body(of: length)
            }
        do {
            return try HTTPClient.Request(
                url: call.address.url, method: call.method, headers: headers, body: body)
        } catch {
            throw RegistryError.protocolViolation("\(call.address) is not a URL that can be asked for")
        }
    }

    /// How many requests more could be under way now.
    var spare: Int { limiter.spare }

    func requestCounts() -> [RequestKind: Int] { counts.withLock { $0 } }
}

extension Transport.Call {
    fileprivate var isReading: Bool { method == .GET || method == .HEAD }

    fileprivate var hasBody: Bool { if case .stream(let length) = body { length > 0 } else { false } }
}
