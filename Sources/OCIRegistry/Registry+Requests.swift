import Logging
import NIOCore
import NIOHTTP1
import OCI

extension Registry {
    /// The most redirects that are followed for one request.
    static let redirectLimit = 5
    /// The most different warnings of a registry that are passed on.
    private static let warningLimit = 20

    var loop: RequestLoop {
        RequestLoop(name: name, options: options, surroundings: surroundings, breaker: transport.breaker)
    }

    /// Sends a request, with credentials where they are asked for, as often as it takes.
    ///
    /// - Returns: the answer, whatever its status, except for statuses that may pass: those end in an error.
    func answer(_ request: Request) async throws -> Answer {
        try await loop.run(request) {
            try await self.exchange(request) { exchange, head, address in
                var answer = try await Registry.collect(exchange, head, address, request)
                if answer.status >= 300 { answer.body = self.secrets.hidden(in: answer.body) }
                return answer
            }
        }
    }

    /// Sends a request once, following redirects and answering a challenge, and lets `body` deal with the last answer.
    func exchange<R>(
        _ request: Request, _ body: (Exchange, HTTPResponseHead, WebAddress) async throws -> R
    ) async throws -> R {
        if request.kind == .manifest, let budget = pullBudget(), budget.isSpent(at: surroundings.now()) {
            throw RegistryError(
                .unavailable, "\(name) allows \(budget.limit) pulls, and \(budget.summary)",
                advice: "log in, which may allow more, or run it again later: what has arrived is not pulled again")
        }
        var address = request.address
        var redirects = 0
        var refreshed = false
        var authorization: String?
        if let access = request.access { authorization = try await authenticator.authorization(for: access) }
        while true {
            var call = Transport.Call(request, at: address)
            let isOurs = address.hasSameOrigin(as: root)
            if isOurs, let authorization { call.headers.replaceOrAdd(name: "Authorization", value: authorization) }
            let step = try await transport.exchange(call) { exchange -> Step<R> in
                let head = try await exchange.head()
                note(head)
                if head.status == .unauthorized, isOurs, !refreshed, request.access != nil {
                    _ = try await exchange.collect(upTo: Request.errorLimit)
                    return .challenge(head.headers["WWW-Authenticate"])
                }
                if request.followsRedirects, let target = try Registry.redirect(head, from: address) {
                    _ = try await exchange.collect(upTo: Request.errorLimit)
                    return .redirect(target)
                }
                return .done(try await body(exchange, head, address))
            }
            switch step {
            case .done(let result): return result
            case .challenge(let fields):
                guard let access = request.access else { break }
                refreshed = true
                authorization = try await authenticator.answer(fields, to: access, rejected: authorization)
            case .redirect(let target):
                redirects += 1
                guard redirects <= Registry.redirectLimit else {
                    throw RegistryError(
                        .policy, "\(name) redirects \(request.what) more than \(Registry.redirectLimit) times")
                }
                try Registry.check(target, from: address, of: root)
                address = target
            }
        }
    }

    private enum Step<R> {
        case done(R)
        case challenge([String])
        case redirect(WebAddress)
    }

    /// Sends a request of the token protocol, which has its own credentials and stays at one origin (R22).
    static func answer(_ request: Request, over transport: Transport) async throws -> Answer {
        try await transport.exchange(Transport.Call(request, at: request.address)) { exchange in
            let head = try await exchange.head()
            if let target = try redirect(head, from: request.address) {
                throw RegistryError(
                    .policy, "the token service \(request.address.origin) redirects to \(shown(target.origin))")
            }
            return try await collect(exchange, head, request.address, request)
        }
    }

    /// - Throws: `RegistryError` `.policy` if an answer is longer than the request allows.
    private static func collect(
        _ exchange: Exchange, _ head: HTTPResponseHead, _ address: WebAddress, _ request: Request
    ) async throws -> Answer {
        let status = Int(head.status.code)
        let limit = status < 300 ? request.bodyLimit : Request.errorLimit
        var body = try await exchange.collect(upTo: limit + 1)
        if let name = head.headers.first(name: "Content-Encoding"), request.method != .HEAD {
            body = try decoded(body, name, upTo: limit + 1, address, request)
        }
        guard status >= 300 || body.readableBytes <= limit else {
            throw RegistryError(
                .policy, "\(address.authority) answers \(request.what) with more than \(limit) bytes, the limit")
        }
        return Answer(status: status, headers: head.headers, body: body, address: address)
    }

    /// The body without the coding that a proxy has put on it; as it is where it only bears the name of one (R6).
    private static func decoded(
        _ body: ByteBuffer, _ name: String, upTo limit: Int, _ address: WebAddress, _ request: Request
    ) throws -> ByteBuffer {
        // No document starts like gzip (RFC 1952, section 2.3.1).
        let isCompressed = body.readableBytesView.starts(with: [0x1f, 0x8b])
        guard let coding = isCompressed ? ContentCoding("gzip") : ContentCoding(name) == nil ? nil : ContentCoding.none
        else {
            throw RegistryError.protocolViolation(
                "\(address.authority) sends \(request.what) in the encoding '\(shown(name, limit: 40))', want identity",
                advice: "switch compression off in the proxy in front of the registry")
        }
        coding.add(body)
        var decoded = ByteBuffer()
        while decoded.readableBytes < limit, let part = try coding.next() { decoded.writeImmutableBuffer(part) }
        return decoded
    }

    /// Where an answer redirects to; nil if it does not.
    private static func redirect(_ head: HTTPResponseHead, from address: WebAddress) throws(RegistryError)
        -> WebAddress?
    {
        guard [301, 302, 303, 307, 308].contains(head.status.code), let text = head.headers.first(name: "Location")
        else { return nil }
        guard let target = address.resolving(text) else {
            throw RegistryError(.policy, "\(address.authority) redirects to what is no http or https URL")
        }
        return target
    }

    /// Refuses redirects that lose the encryption or lead inside the network of this machine (R24, R25).
    private static func check(_ target: WebAddress, from address: WebAddress, of registry: WebAddress)
        throws(RegistryError)
    {
        guard target.scheme == .https || address.scheme == .http else {
            throw RegistryError(
                .policy, "\(address.authority) redirects from https to \(shown(target.origin)), which is not encrypted")
        }
        let isInternal =
            switch target.network {
            case .linkLocal?, .unspecified?, .multicast?: true
            case .loopback?: registry.network != .loopback
            default: target.isOddNumber
            }
        if isInternal {
            throw RegistryError(.policy, "\(address.authority) redirects to the internal \(shown(target.origin))")
        }
    }

    /// Passes the registry's warnings on, each once (distribution specification, "Warnings").
    private func note(_ head: HTTPResponseHead) {
        if let budget = PullBudget(head.headers, now: surroundings.now()) { withMemory { $0.budget = budget } }
        for text in head.headers["Warning"].prefix(Registry.warningLimit) where text.hasPrefix("299 ") {
            let isNew = withMemory { memory in
                memory.warnings.count < Registry.warningLimit && memory.warnings.insert(text).inserted
            }
            if isNew { logger.warning("\(name) warns: \(shown(text.dropFirst(4), limit: 256))") }
        }
    }

    // MARK: Errors

    /// The error for an answer that is not the one that was wanted.
    ///
    /// - Parameter otherwise: what a status means that has no meaning of its own.
    func refusal(
        _ answer: Answer, of what: String, in repository: RepositoryName?,
        otherwise: FailureKind = .protocolViolation
    ) -> RegistryError {
        var answer = answer
        answer.body = secrets.hidden(in: answer.body)
        let place = name + (repository.map { "/\($0)" } ?? "")
        let said = answer.said.map { ": \($0)" } ?? ""
        let status = answer.status
        if answer.mayPass { return answer.fault(on: what, at: place, now: surroundings.now()) }
        switch status {
        case 200..<300 where answer.isHTML:
            return .protocolViolation(
                "\(name) is not a registry: it answers \(what) with an HTML page", advice: "check the host name")
        case 300..<400:
            // Reading follows redirects before it comes here; what is written goes where it was sent, or nowhere.
            return .protocolViolation("\(place) redirects \(what) (\(status)), which is not followed")
        case 401, 403:
            return RegistryError(
                .auth, "\(place) refuses access to \(what) (\(status)\(said))",
                advice: "lifeboat login \(name), with a user who may do this", status: status)
        case 404:
            return RegistryError(
                .notFound, "\(place) has no \(what)\(said)",
                advice: "check the name; lifeboat list \(name) shows what is there", status: status)
        case 400
        where root.scheme == .http && String(decoding: answer.body.readableBytesView, as: UTF8.self).contains("HTTPS"):
            return RegistryError(
                .unavailable, "\(name) speaks TLS, not plain HTTP",
                advice: options.plainHTTP == true
                    ? "leave out --plain-http (plainHTTP: true)"
                    : "name its certificate authority: --ca FILE (tls: {ca: FILE}), or docker's certs.d/\(name)/ca.crt",
                status: status)
        case 413:
            return RegistryError(
                .conflict, "\(place) refuses \(what) as too large (413\(said))", status: status)
        default:
            return RegistryError(otherwise, "\(place) answers \(status) to \(what)\(said)", status: status)
        }
    }
}

extension Transport.Call {
    init(_ request: Request, at address: WebAddress) {
        self.init(
            kind: request.kind, method: request.method, address: address, headers: request.headers,
            body: request.body.map { .bytes($0) } ?? .none, headLimit: request.headLimit)
    }
}
