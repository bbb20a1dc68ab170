import Glibc
import OCI
import Synchronization

/// What the processes of one user and machine may ask of a registry together: a file of which each locks a byte.
///
/// Who uses the registry holds a seat, which the kernel takes back when the process ends, however it ends. Limits are
/// divided by the seats that are held. The file itself says until when the registry wants to be left alone. Nothing in it
/// has to be right: what cannot be read, written or locked leaves every process with limits of its own.
final class SharedBudget: Sendable {
    /// More processes than this share the parts of as many.
    static let seats = 64
    /// How long a count of the seats is believed.
    private static let countLifetime = Duration.seconds(1)
    /// Where the seats begin: behind anything that is written.
    private static let firstSeat = 4096
    /// `leave alone until 1763690400000` and the line's end, in milliseconds since 1970.
    private static let words = "leave alone until "
    private static let lineLimit = 64

    /// Locks that belong to an open file, not to a process (fcntl(2), "Open file description locks"); Swift's Glibc does not
    /// have them.
    private static let getLock: CInt = 36
    private static let setLock: CInt = 37

    private struct State {
        /// Nil once it is closed.
        var file: CInt?
        var parts = 1
        var counted: Duration?
        /// What was written last, so that not every answer of a crowd is written.
        var until: Int64 = 0
    }

    let path: String
    private let seat: Int?
    private let state: Mutex<State>

    /// - Parameters:
    ///   - folder: made if it does not exist.
    ///   - identity: whose budget it is; it is not written anywhere as it is.
    /// - Throws: `RegistryError` `.local` for a file that cannot be opened.
    init(folder: String, registry: String, identity: String) throws(RegistryError) {
        path = folder + "/" + SharedBudget.fileName(registry, identity)
        try LoginFile.makeFolder(folder)
        let file = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard file >= 0 else { throw LoginFile.unwritable(path) }
        state = Mutex(State(file: file))
        seat = (0..<SharedBudget.seats).first { SharedBudget.lock(file, seat: $0) }
    }

    deinit { leave() }

    /// Gives the seat back.
    func leave() {
        let file = state.withLock { state in
            defer { state.file = nil }
            return state.file
        }
        if let file { close(file) }
    }

    /// Such as `registry.example.com-9f86d081884c7d65`.
    private static func fileName(_ registry: String, _ identity: String) -> String {
        let shown = registry.utf8.prefix(100).map { byte -> Character in
            let character = Character(UnicodeScalar(byte))
            return byte < 0x80 && (character.isLetter || character.isNumber || ".-".contains(character))
                ? character : "_"
        }
        return String(shown) + "-" + Digest(of: Array("\(registry)\n\(identity)".utf8)).hex.prefix(16)
    }

    // MARK: Seats

    /// Among how many the limits are divided, this one included.
    ///
    /// - Parameter now: the time since some moment.
    func parts(at now: Duration) -> Int {
        state.withLock { state in
            if let counted = state.counted, now - counted < SharedBudget.countLifetime { return state.parts }
            guard let file = state.file else { return 1 }
            state.counted = now
            state.parts = 1 + (0..<SharedBudget.seats).count { SharedBudget.isTaken(file, seat: $0) }
            return state.parts
        }
    }

    private static func lock(_ file: CInt, seat: Int) -> Bool {
        var lock = range(seat)
        return withUnsafeMutablePointer(to: &lock) { fcntl(file, setLock, UnsafeMutableRawPointer($0)) } == 0
    }

    /// Whether somebody else holds it.
    private static func isTaken(_ file: CInt, seat: Int) -> Bool {
        var lock = range(seat)
        let result = withUnsafeMutablePointer(to: &lock) { fcntl(file, getLock, UnsafeMutableRawPointer($0)) }
        return result == 0 && lock.l_type != F_UNLCK
    }

    private static func range(_ seat: Int) -> flock {
        var lock = flock()
        lock.l_type = Int16(F_WRLCK)
        lock.l_whence = Int16(SEEK_SET)
        lock.l_start = firstSeat + seat
        lock.l_len = 1
        return lock
    }

    // MARK: The pause

    /// The registry has asked all of them to wait.
    ///
    /// - Parameter until: milliseconds since 1970.
    func leaveAlone(until: Int64) {
        state.withLock { state in
            guard let file = state.file, until != state.until else { return }
            state.until = until
            let line = Array("\(SharedBudget.words)\(until)\n".utf8)
            // One call, so that readers see one line or the other; who sees neither asks, and is told by the registry.
            _ = line.withUnsafeBytes { pwrite(file, $0.baseAddress, $0.count, 0) }
        }
    }

    /// Until when the registry wants to be left alone, in milliseconds since 1970; nil if it has not said.
    var pause: Int64? {
        let bytes = state.withLock { state -> [UInt8] in
            guard let file = state.file else { return [] }
            var bytes = [UInt8](repeating: 0, count: SharedBudget.lineLimit)
            let count = bytes.withUnsafeMutableBytes { pread(file, $0.baseAddress, $0.count, 0) }
            return Array(bytes.prefix(max(0, count)))
        }
        let line = String(decoding: bytes.prefix { $0 != UInt8(ascii: "\n") }, as: UTF8.self)
        guard line.hasPrefix(SharedBudget.words), line.utf8.count < bytes.count else { return nil }
        return Int64(line.dropFirst(SharedBudget.words.count)).flatMap { $0 > 0 ? $0 : nil }
    }
}
