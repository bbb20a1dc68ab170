@preconcurrency import Dispatch
import OCI
import Synchronization

/// Checks logins, one hash at a time on a thread of its own; what was right once is remembered.
final class Doorkeeper: Sendable {
    /// The most logins that wait for their turn.
    static let queueLimit = 64
    /// The most logins that are remembered; beyond it all are forgotten.
    private static let memoryLimit = 10_000

    enum Answer: Sendable { case admitted, refused, busy }

    private struct State {
        var admitted: Set<Digest> = []
        var waiting = 0
    }

    private let passwords: PasswordFile
    private let bcrypt: BCrypt
    /// Keeps what is remembered from being a hash that anybody could look for.
    private let key: String
    private let state = Mutex(State())
    private let queue = DispatchQueue(label: "lifeboat.logins")

    init(_ passwords: PasswordFile, surroundings: Surroundings) throws(ServerError) {
        self.passwords = passwords
        bcrypt = try BCrypt()
        key = surroundings.id()
    }

    /// - Parameter authorization: the header of that name.
    func admits(_ authorization: String?) async -> Answer {
        guard let authorization, let (name, password) = Doorkeeper.basic(authorization) else { return .refused }
        let mark = Digest(of: Array("\(key)\0\(name)\0\(password)".utf8))
        let place: Answer? = state.withLock { state in
            if state.admitted.contains(mark) { return .admitted }
            guard state.waiting < Doorkeeper.queueLimit else { return .busy }
            state.waiting += 1
            return nil
        }
        if let place { return place }
        let isRight = await check(name, password)
        state.withLock { state in
            state.waiting -= 1
            guard isRight else { return }
            if state.admitted.count >= Doorkeeper.memoryLimit { state.admitted.removeAll() }
            state.admitted.insert(mark)
        }
        return isRight ? .admitted : .refused
    }

    private func check(_ name: String, _ password: String) async -> Bool {
        let hash = passwords.hashes[name]
        return await withCheckedContinuation { done in
            queue.async { [bcrypt, decoy = passwords.decoy] in
                let matches = bcrypt.verify(password, against: hash ?? decoy)
                done.resume(returning: matches && hash != nil)
            }
        }
    }

    /// Name and password of `Basic …` (RFC 7617); nil for anything else.
    private static func basic(_ header: String) -> (name: String, password: String)? {
        let words = header.split(separator: " ", maxSplits: 1)
        guard words.count == 2, words[0].lowercased() == "basic",
            let bytes = Base64.decode(words[1]), !bytes.contains(0)
        else { return nil }
        let text = String(decoding: bytes, as: UTF8.self)
        guard let colon = text.firstIndex(of: ":") else { return nil }
        let password = String(text[text.index(after: colon)...])
        guard password.utf8.count <= BCrypt.passwordLimit else { return nil }
        return (String(text[..<colon]), password)
    }
}
