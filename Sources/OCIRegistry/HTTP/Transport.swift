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
    /// Nil where the process has the registry for itself.
    let budget: SharedBudget?
    private let uptime: @Sendable () -> Duration
    private let counts = Mutex<[RequestKind: Int]>([:])

    /// - Parameters:
    ///   - budget: what is shared with other processes.
    ///   - uptime: the time since some moment.
    init(
        _ registry: WebAddress, options: RegistryOptions, budget: SharedBudget?, surroundings: Surroundings,
        uptime: @escaping @Sendable () -> Duration
    ) throws(RegistryError) {
        self.budget = budget
        self.uptime = uptime
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
        divide()
        return try await limiter.withPlace(use) {
            // Other hosts, to which the registry redirects, are not its own.
            let isOurs = call.address.hasSameOrigin(as: registry)
            if isOurs {
                try await sitOut()
                try await breaker.admit()
            }
            let era = limiter.era
            var head: HTTPResponseHead?
            do {
                let result = try await perform(call) { exchange in
                    defer { head = exchange.headSoFar }
                    return try await body(exchange)
                }
                note(head, nil, since: era, isOurs: isOurs)
                return result
            } catch {
                // An upload may fail because of where its bytes come from.
                note(head, use == .upload ? nil : error, since: era, isOurs: isOurs)
                throw error
            }
        }
    }

    /// Leaves the others their part of what the registry allows.
    private func divide() {
        guard let parts = budget?.parts(at: uptime()) else { return }
        limiter.divide(by: parts)
        requestLimit?.divide(by: parts)
        bandwidth?.divide(by: parts)
    }

    /// Waits as long as the registry has asked anybody on this machine to.
    ///
    /// Not longer than this process would wait if it were asked itself; then the registry can say so.
    private func sitOut() async throws {
        var waits = 0
        while let until = budget?.pause, waits < options.retry.attempts {
            let left = Duration.milliseconds(until - surroundings.now())
            guard left > .zero, left <= options.retry.longestRetryAfter else { return }
            // Not all at the same moment.
            try await surroundings.sleep(for: left + options.retry.delay(after: 1, random: surroundings.random()))
            waits += 1
        }
    }

    /// Learns from how a request has ended how the registry is.
    private func note(_ head: HTTPResponseHead?, _ error: (any Error)?, since era: Int, isOurs: Bool) {
        let status = head.map { Int($0.status.code) }
        if isOurs, let budget, let head, Answer.isFault(Int(head.status.code)) {
            let now = surroundings.now()
            if let wait = RetryAfter.wait(head.headers.first(name: "Retry-After"), now: now), wait > .zero {
                let (seconds, rest) = wait.components
                budget.leaveAlone(until: now + seconds * 1000 + rest / 1_000_000_000_000_000)
            }
        }
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
        counts.withLock { $0[call.kind, default: 0] += 1 }
        defer { exchange.close() }
        do {
            return try await perform(call, exchange, on: connection.client, body)
        } catch let error as RegistryError where error.isDistrust {
            throw await explained(error, at: call.address, connection.address)
        }
    }

    /// The error with what is wrong with the certificates, where that can be seen.
    private func explained(_ error: RegistryError, at place: WebAddress, _ address: String?) async -> RegistryError {
        // Behind a proxy, or at a host that was redirected to, there is no address to look at.
        guard let address, place.hasSameOrigin(as: registry) else { return error }
        let look = CertificateLook(
            host: place.host, address: address, port: place.port, group: group, timeout: options.connectTimeout)
        do {
            guard let fault = try await look.look()?.fault(at: surroundings.now()) else { return error }
            return RegistryError(
                .unavailable, "\(place.authority) cannot be trusted: \(fault.reason)", advice: fault.advice,
                isDistrust: true)
        } catch _ {
            // To look again was a courtesy: the fault that there was stands.
            return error
        }
    }

    private func perform<R>(
        _ call: Call, _ exchange: Exchange, on client: HTTPClient, _ body: (Exchange) async throws -> R
    ) async throws -> R {
        let request = try request(call, exchange)
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
            exchange.start(request, on: client)
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
