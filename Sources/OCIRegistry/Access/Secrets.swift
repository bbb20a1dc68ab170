import NIOCore
import OCI
import Synchronization

/// What has been sent as proof of who we are, so that nobody who repeats it in an answer gets it into an error.
final class Secrets: Sendable {
    /// Shorter ones are words that may stand anywhere.
    private static let leastLength = 6
    /// The most that are remembered; the oldest go first.
    private static let limit = 4096

    private let known = Mutex<[[UInt8]]>([])

    init() {}

    func add(_ credential: Credential?) {
        switch credential {
        case .password(let username, let password)?:
            for text in [password, basicHeader(username: username, password: password)] { add(text) }
        case .identityToken(let token)?, .registryToken(let token)?: add(token)
        case nil: break
        }
    }

    /// - Parameter text: a secret, or the value of an `Authorization` header with one.
    func add(_ text: String) {
        let secret = text.split(separator: " ").last.map(String.init) ?? text
        for form in Set([secret, Form.text([("", secret)]).dropFirst().description]) {
            let bytes = Array(form.utf8)
            guard bytes.count >= Secrets.leastLength else { continue }
            known.withLock { known in
                guard !known.contains(bytes) else { return }
                if known.count == Secrets.limit { known.removeFirst() }
                known.append(bytes)
            }
        }
    }

    /// The bytes with every secret in them replaced.
    func hidden(in body: ByteBuffer) -> ByteBuffer {
        let secrets = known.withLock { $0 }.sorted { $0.count > $1.count }
        guard body.readableBytes > 0, !secrets.isEmpty else { return body }
        var text = Array(body.readableBytesView)
        for secret in secrets {
            while let place = Secrets.find(secret, in: text) {
                text.replaceSubrange(place..<place + secret.count, with: Array("(hidden)".utf8))
            }
        }
        return ByteBuffer(bytes: text)
    }

    private static func find(_ secret: [UInt8], in text: [UInt8]) -> Int? {
        guard text.count >= secret.count else { return nil }
        return (0...text.count - secret.count).first { start in
            text[start] == secret[0] && text[start..<start + secret.count].elementsEqual(secret)
        }
    }
}
