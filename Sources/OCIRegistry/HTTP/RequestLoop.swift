import NIOHTTP1
import OCI

/// Tries again what failed for the moment.
struct RequestLoop: Sendable {
    /// The most tries of what is not answered at all: each takes a whole wait.
    static let silentAttempts = 3

    let name: String
    let options: RegistryOptions
    let surroundings: Surroundings

    /// - Throws: the last error, which says how often it was tried; or what is not transient at once.
    func run<R>(_ body: () async throws -> R) async throws -> R {
        var attempt = 1
        while true {
            do {
                return try await body()
            } catch let error as RegistryError where error.isTransient {
                try await pause(after: error, attempt: attempt)
                attempt += 1
            }
        }
    }

    /// The same for a request whose answer says by its status that it may be another one next time.
    func run(_ request: Request, _ send: () async throws -> Answer) async throws -> Answer {
        try await run {
            let answer = try await send()
            // Who is told to wait gains nothing by asking in another way: a GET may count where a HEAD does not.
            guard answer.mayPass, !request.takesFaults || answer.status == 429 else { return answer }
            throw answer.fault(on: request.what, at: name, now: surroundings.now())
        }
    }

    /// Waits before the next try.
    ///
    /// - Throws: `error` if there is none, or the registry asks for a longer wait than the policy allows.
    func pause(after error: RegistryError, attempt: Int) async throws {
        let most = error.isSilence ? min(options.retry.attempts, RequestLoop.silentAttempts) : options.retry.attempts
        guard attempt < most else { throw error.final(after: attempt) }
        RetryCount.current?.add()
        let delay = options.retry.delay(after: attempt, random: surroundings.random())
        if let wait = error.retryAfter {
            guard wait <= options.retry.longestRetryAfter else {
                throw error.final(refusing: wait, limit: options.retry.longestRetryAfter)
            }
            try await surroundings.sleep(for: max(wait, delay))
        } else {
            try await surroundings.sleep(for: delay)
        }
    }
}

extension Answer {
    /// The error for a status that may pass.
    func fault(on what: String, at name: String, now: Int64) -> RegistryError {
        let said = said.map { ": \($0)" } ?? ""
        let text =
            status == 429
            ? "\(name) limits the rate of requests (429\(said))" : "\(name) answers \(status) to \(what)\(said)"
        return .transient(
            text, advice: status == 429 ? "fewer connections, or run it again later" : "run it again later",
            status: status, retryAfter: RetryAfter.wait(headers.first(name: "Retry-After"), now: now))
    }
}
