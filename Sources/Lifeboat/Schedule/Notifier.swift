import OCI
import OCIRegistry

/// A request that carries a notice.
public struct NoticeRequest: Sendable {
    public var address: String
    public var headers: [(String, String)]
    /// Nil for a GET, else of a POST.
    public var body: [UInt8]?
    public var timeLimit: Duration
}

/// Sends notices over HTTP. A port: the product knows no HTTP.
public protocol NoticeSender: Sendable {
    /// - Returns: the status of the answer.
    /// - Throws: where there was none.
    func send(_ request: NoticeRequest) async throws -> Int
}

extension WebSender: NoticeSender {
    public func send(_ request: NoticeRequest) async throws -> Int {
        try await send(
            to: request.address, headers: request.headers, body: request.body, timeLimit: request.timeLimit)
    }
}

/// Tells somebody of a run: a few tries each, none of which takes long.
public struct Notifier: Sendable {
    /// For one try.
    public static let timeLimit = Duration.seconds(10)
    static let retry = RetryPolicy(attempts: 3, firstDelay: .seconds(1), maximumDelay: .seconds(5))
    static let commandLimit = Duration.seconds(60)

    private let sender: any NoticeSender
    private let surroundings: Surroundings

    public init(sender: any NoticeSender, surroundings: Surroundings) {
        self.sender = sender
        self.surroundings = surroundings
    }

    /// - Throws: `LifeboatError` `.unavailable` if nobody has taken it. Its words have neither the path of an address nor a secret.
    func send(_ notice: Notice, to channel: NoticeChannel) async throws {
        switch channel {
        case .command(let words):
            try await NoticeCommand(words: words, timeLimit: Notifier.commandLimit).run(notice)
        case .webhook(let address, let secret):
            let body = Array(notice.json.text.utf8)
            var headers = [
                ("Content-Type", "application/json"), ("X-Lifeboat-Event", notice.event.rawValue),
            ]
            if let secret {
                headers.append(
                    ("X-Lifeboat-Signature", "sha256=" + messageCode(of: body, key: Array(secret.text.utf8))))
            }
            try await send(
                NoticeRequest(address: address.text, headers: headers, body: body, timeLimit: Notifier.timeLimit),
                to: address)
        case .ping(let address):
            let text = notice.event == .failure ? address.failing : address.text
            try await send(
                NoticeRequest(address: text, headers: [], body: nil, timeLimit: Notifier.timeLimit), to: address)
        }
    }

    private func send(_ request: NoticeRequest, to address: NoticeAddress) async throws {
        var attempt = 1
        while true {
            let reason: String
            var mayPass = true
            do {
                let status = try await sender.send(request)
                if (200..<300).contains(status) { return }
                mayPass = status >= 500 || status == 429 || status == 408
                reason = "it answered \(status)"
            } catch let error as CancellationError {
                throw error
            } catch {
                reason = FailureReport(error).message
            }
            guard mayPass, attempt < Notifier.retry.attempts else {
                throw LifeboatError(
                    .unavailable,
                    "\(address) was not told: \(reason)" + (attempt > 1 ? ", after \(attempt) attempts" : ""))
            }
            try await surroundings.sleep(for: Notifier.retry.delay(after: attempt, random: surroundings.random()))
            attempt += 1
        }
    }
}

extension NoticeChannel {
    /// What tells it from other channels without saying what it is.
    var mark: String {
        let words =
            switch self {
            case .webhook(let address, _): ["webhook", address.text]
            case .command(let words): ["command"] + words
            case .ping(let address): ["ping", address.text]
            }
        return String(Digest(of: Array(words.joined(separator: "\u{0}").utf8)).hex.prefix(16))
    }

    /// What messages call it.
    var name: String {
        switch self {
        case .webhook(let address, _), .ping(let address): address.description
        case .command(let words): shown(words.first ?? "", limit: 200)
        }
    }
}
