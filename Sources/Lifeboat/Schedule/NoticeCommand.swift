import Glibc
import OCI
import Synchronization

/// A program that is given a notice on its standard input; no shell reads its words.
///
/// What it prints goes to our standard error. It has a time limit, after which it is ended, and those that it started
/// with it.
struct NoticeCommand: Sendable {
    let words: [String]
    let timeLimit: Duration

    private static let pause = Duration.milliseconds(20)

    /// - Throws: `LifeboatError` `.unavailable`.
    func run(_ notice: Notice) async throws {
        let child = try start(Array((notice.json.text + "\n").utf8), event: notice.event)
        let deadline = ContinuousClock.now + timeLimit
        do {
            while true {
                if let status = try ended(child) {
                    if status == 0 { return }
                    let signal = status & 0x7f
                    throw failed(
                        signal == 0 ? "it ended with exit code \(status >> 8 & 0xff)" : "it ended with signal \(signal)"
                    )
                }
                guard ContinuousClock.now < deadline else {
                    throw failed("it took longer than \(timeLimit.components.seconds) s")
                }
                try await Task.sleep(for: NoticeCommand.pause)
            }
        } catch {
            // Its whole group; none is left if it has ended by itself.
            kill(-child, SIGKILL)
            var status: Int32 = 0
            waitpid(child, &status, 0)
            throw error
        }
    }

    private func failed(_ reason: String) -> LifeboatError {
        LifeboatError(.unavailable, "\(shown(words.first ?? "", limit: 200)) was not told: \(reason)")
    }

    /// - Returns: the status of a child that has ended.
    private func ended(_ child: pid_t) throws(LifeboatError) -> Int32? {
        var status: Int32 = 0
        while true {
            let found = waitpid(child, &status, WNOHANG)
            if found == child { return status }
            if found == 0 { return nil }
            if errno != EINTR { throw failed(String(cString: strerror(errno))) }
        }
    }

    private func start(_ input: [UInt8], event: Notice.Event) throws(LifeboatError) -> pid_t {
        let file = try unnamedFile(with: input)
        defer { close(file) }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_adddup2(&actions, file, 0)
        posix_spawn_file_actions_adddup2(&actions, 2, 1)
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        // A group of its own, so that a signal from the terminal reaches us first; and no signal ignored.
        var signals = sigset_t()
        sigemptyset(&signals)
        for signal in [SIGINT, SIGTERM, SIGHUP, SIGPIPE] { sigaddset(&signals, signal) }
        posix_spawnattr_setsigdefault(&attributes, &signals)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF))
        let arguments: [UnsafeMutablePointer<CChar>?] = words.map { strdup($0) } + [nil]
        defer { arguments.forEach { free($0) } }
        var environment: [UnsafeMutablePointer<CChar>?] = [strdup("LIFEBOAT_EVENT=" + event.rawValue)]
        var entry = environ
        while let text = entry.pointee {
            environment.append(strdup(text))
            entry += 1
        }
        environment.append(nil)
        defer { environment.forEach { free($0) } }
        var child: pid_t = 0
        let error = posix_spawnp(&child, words[0], &actions, &attributes, arguments, environment)
        guard error == 0 else { throw failed(String(cString: strerror(error))) }
        return child
    }

    /// A file rather than a pipe: a child that does not read it holds nobody up.
    private func unnamedFile(with bytes: [UInt8]) throws(LifeboatError) -> Int32 {
        var path = Array("/tmp/lifeboat-notice-XXXXXX".utf8CString)
        let file = mkstemp(&path)
        guard file >= 0 else { throw failed("no file can be made in /tmp: \(String(cString: strerror(errno)))") }
        _ = fcntl(file, F_SETFD, FD_CLOEXEC)
        unlink(path)
        var done = 0
        while done < bytes.count {
            let written = bytes.withUnsafeBytes { write(file, $0.baseAddress! + done, $0.count - done) }
            if written < 0, errno == EINTR { continue }
            guard written > 0 else {
                let reason = String(cString: strerror(errno))
                close(file)
                throw failed("/tmp cannot be written: \(reason)")
            }
            done += written
        }
        lseek(file, 0, SEEK_SET)
        return file
    }
}
