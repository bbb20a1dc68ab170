import NIOCore
import NIOHTTP1
import Synchronization

/// What can happen to one answer on its way (FAULTS.md, R and N rows).
public enum WireFault: String, CaseIterable, Sendable {
    /// The connection breaks before the registry sees the request, or after it has done what was asked.
    case resetBefore, resetAfter
    /// Nothing comes, or nothing more after half of the body.
    case silence, stall
    /// The connection ends after half of the body.
    case close, reset
    /// Half of the body, or a byte too many, as if that were all.
    case truncate, lengthen
    /// One bit is another.
    case flip
    /// A page of something that is no registry.
    case html
    /// A kilobyte or so a second.
    case trickle
    /// The digest in the header is another.
    case digestHeader
    /// Redirects: to itself, to a port where nobody is.
    case redirectLoop, redirectAway
    case status401 = "401"
    case status403 = "403"
    case status404 = "404"
    case status408 = "408"
    case status416 = "416"
    case status429 = "429"
    case status429Wait = "429 with Retry-After"
    case status500 = "500"
    case status502 = "502"
    case status503 = "503"
    case status504 = "504"

    /// Whether it goes away by itself: a run must get over one of these without help.
    public var isPassing: Bool {
        switch self {
        case .resetBefore, .resetAfter, .silence, .stall, .close, .reset, .status408, .status429, .status429Wait,
            .status500, .status502, .status503, .status504, .trickle:
            true
        default: false
        }
    }

    /// Whether only somebody's patience ends it.
    public var isWaitedFor: Bool { self == .silence || self == .stall || self == .trickle }

    private var status: Int? { rawValue.split(separator: " ").first.flatMap { Int($0) } }

    /// The answer that comes instead, without asking the registry; nil to ask it.
    fileprivate func instead(of request: ScriptedRequest) -> ScriptedAnswer? {
        switch self {
        case .resetBefore: return .broken
        case .redirectLoop: return ScriptedAnswer(307, ["Location": request.uri])
        case .redirectAway: return ScriptedAnswer(307, ["Location": "http://127.0.0.1:9/away"])
        case .html:
            return ScriptedAnswer(200, ["Content-Type": "text/html"], text: "<html><body>Please log in</body></html>")
        default: break
        }
        guard let status else { return nil }
        var answer = ScriptedAnswer(status, text: #"{"errors":[{"code":"UNKNOWN","message":"injected"}]}"#)
        if self == .status429Wait { answer.headers.add(name: "Retry-After", value: "0") }
        return answer
    }

    /// What becomes of the registry's answer; nil if there is nothing in it that this fault could touch.
    fileprivate func applied(to original: ScriptedAnswer, _ request: ScriptedRequest) -> ScriptedAnswer? {
        var answer = original
        let half = answer.body.readableBytes / 2
        if request.method == .HEAD || answer.body.readableBytes == 0 {
            switch self {
            case .stall, .close, .reset, .truncate, .lengthen, .flip, .trickle: return nil
            default: break
            }
        }
        switch self {
        case .resetAfter: return .broken
        case .silence: return .silent
        case .stall: answer.ending = .stall(after: half)
        case .close: answer.ending = .close(after: half)
        case .reset: answer.ending = .reset(after: half)
        case .truncate:
            answer.body = answer.body.getSlice(at: answer.body.readerIndex, length: half) ?? ByteBuffer()
            answer.headers.replaceOrAdd(name: "Content-Length", value: "\(half)")
        case .lengthen:
            answer.body.writeString("!")
            answer.headers.replaceOrAdd(name: "Content-Length", value: "\(answer.body.readableBytes)")
        case .flip:
            let place = answer.body.readerIndex + half
            answer.body.setInteger((answer.body.getInteger(at: place) ?? UInt8(0)) ^ 4, at: place)
        case .trickle:
            answer.rate = 1000
        case .digestHeader:
            guard answer.headers.contains(name: "Docker-Content-Digest") else { return nil }
            answer.headers.replaceOrAdd(
                name: "Docker-Content-Digest", value: "sha256:" + String(repeating: "0", count: 64))
        default: return nil
        }
        return answer
    }
}

/// Stands between a client and a registry and passes everything on, but for the answers that a test spoils.
public final class FaultProxy: Sendable {
    public typealias Choice = @Sendable (_ request: ScriptedRequest, _ number: Int) -> WireFault?

    private let upstream: String
    private let choice: Mutex<Choice>
    private let counts = Mutex((requests: 0, faults: 0))

    private init(before upstream: String, _ choice: @escaping Choice) {
        self.upstream = upstream
        self.choice = Mutex(choice)
    }

    /// Runs `body` with a proxy and its address.
    ///
    /// - Parameter fault: says what becomes of the answer to the request with this number; the first is 0.
    public static func serve<R>(
        before upstream: String, fault: @escaping Choice = { _, _ in nil },
        _ body: (FaultProxy, String) async throws -> R
    ) async throws -> R {
        let proxy = FaultProxy(before: upstream, fault)
        return try await ScriptedRegistry.serve(slowly: { await proxy.answer($0) }) {
            try await body(proxy, $0.host)
        }
    }

    /// Begins to count anew, with other faults.
    public func begin(_ fault: @escaping Choice = { _, _ in nil }) {
        choice.withLock { $0 = fault }
        counts.withLock { $0 = (0, 0) }
    }

    public var requests: Int { counts.withLock { $0.requests } }
    /// Faults that something came of.
    public var faults: Int { counts.withLock { $0.faults } }

    private func answer(_ request: ScriptedRequest) async -> ScriptedAnswer {
        let number = counts.withLock { counts in
            counts.requests += 1
            return counts.requests - 1
        }
        let fault = choice.withLock { $0 }(request, number)
        if let fault, let answer = fault.instead(of: request) {
            counts.withLock { $0.faults += 1 }
            return answer
        }
        guard let original = await passOn(request) else { return .broken }
        guard let fault, let spoiled = fault.applied(to: original, request) else { return original }
        counts.withLock { $0.faults += 1 }
        return spoiled
    }

    private func passOn(_ request: ScriptedRequest) async -> ScriptedAnswer? {
        var headers: [String: String] = [:]
        for (name, value) in request.headers {
            switch name.lowercased() {
            case "host", "connection", "content-length", "transfer-encoding", "expect": continue
            default: headers[name] = value
            }
        }
        let answer: RawHTTP
        do {
            answer = try await RawHTTP.send(
                "\(request.method) \(request.uri)", to: upstream, headers, body: request.body)
        } catch {
            return nil
        }
        guard answer.status != 0 else { return nil }
        var passed = HTTPHeaders()
        for (name, value) in answer.headers where !["connection", "transfer-encoding", "date"].contains(name) {
            passed.add(name: name, value: value)
        }
        return ScriptedAnswer(answer.status, passed, body: answer.body)
    }
}
