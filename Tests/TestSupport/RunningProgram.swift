import Foundation
import Glibc
import Synchronization

/// A program that was started, in a process group of its own.
///
/// It is born as from a shell: no signal blocked and none ignored, whatever the tests' own threads do, and no file of theirs
/// open. Foundation's `Process` hands down what is blocked, so that SIGTERM is not heard.
public final class RunningProgram: Sendable {
    public let identifier: pid_t
    private let outcome: Outcome

    /// How it ended, once it has.
    private final class Outcome: Sendable {
        private struct State {
            var status: Int32?
            var waiting: [CheckedContinuation<Int32, Never>] = []
        }

        private let state = Mutex(State())

        var status: Int32? { state.withLock(\.status) }

        func end(_ status: Int32) {
            let waiting = state.withLock { state in
                state.status = status
                defer { state.waiting = [] }
                return state.waiting
            }
            for continuation in waiting { continuation.resume(returning: status) }
        }

        func wait() async -> Int32 {
            await withCheckedContinuation { continuation in
                let status = state.withLock { state in
                    if state.status == nil { state.waiting.append(continuation) }
                    return state.status
                }
                if let status { continuation.resume(returning: status) }
            }
        }
    }

    public struct NotStarted: Error, CustomStringConvertible {
        let program: String
        let code: Int32

        public var description: String { "start \(program): \(String(cString: strerror(code)))" }
    }

    /// - Parameters:
    ///   - environment: beside that of the tests.
    ///   - output, errors: where what it says goes, which is made; by default nobody hears it. `/dev/fd/N` is a pipe of ours.
    public init(
        _ name: String, _ arguments: [String] = [], in folder: String? = nil, environment: [String: String] = [:],
        input: String? = nil, output: String = "/dev/null", errors: String = "/dev/null"
    ) throws {
        let path = Program.path(name) ?? name
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, input ?? "/dev/null", O_RDONLY, 0)
        for (number, file) in [(Int32(1), output), (2, errors)] {
            posix_spawn_file_actions_addopen(&actions, number, file, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0o600)
        }
        if let folder { _ = GNU.addFolder(&actions, folder) }
        _ = GNU.addCloseFrom(&actions, 3)

        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var (none, all) = (sigset_t(), sigset_t())
        sigemptyset(&none)
        sigfillset(&all)
        posix_spawnattr_setsigmask(&attributes, &none)
        posix_spawnattr_setsigdefault(&attributes, &all)
        posix_spawnattr_setpgroup(&attributes, 0)
        posix_spawnattr_setflags(
            &attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP))

        let variables = ProcessInfo.processInfo.environment
            .merging(["LC_ALL": "C.UTF-8"]) { $1 }.merging(environment) { $1 }
        var words: [UnsafeMutablePointer<CChar>?] = ([path] + arguments).map { strdup($0) } + [nil]
        var surroundings: [UnsafeMutablePointer<CChar>?] = variables.map { strdup("\($0)=\($1)") } + [nil]
        defer { for word in words + surroundings { free(word) } }

        var started: pid_t = 0
        let code = posix_spawn(&started, path, &actions, &attributes, &words, &surroundings)
        guard code == 0 else { throw NotStarted(program: path, code: code) }
        identifier = started
        outcome = Outcome()
        Thread.detachNewThread { [identifier, outcome] in outcome.end(RunningProgram.wait(for: identifier)) }
    }

    /// What glibc has since 2.34 and its headers give to GNU sources only.
    private enum GNU {
        typealias Actions = UnsafeMutablePointer<posix_spawn_file_actions_t>

        static let addFolder = unsafeBitCast(
            dlsym(nil, "posix_spawn_file_actions_addchdir_np"),
            to: (@convention(c) (Actions, UnsafePointer<CChar>) -> CInt).self)
        static let addCloseFrom = unsafeBitCast(
            dlsym(nil, "posix_spawn_file_actions_addclosefrom_np"), to: (@convention(c) (Actions, CInt) -> CInt).self)
    }

    /// Waiting blocks, hence on a thread of its own.
    private static func wait(for identifier: pid_t) -> Int32 {
        var status: Int32 = 0
        while waitpid(identifier, &status, 0) < 0 {
            guard errno == EINTR else { return 255 }
        }
        // WIFEXITED and its kin are macros.
        let signal = status & 0x7f
        return signal == 0 ? (status >> 8) & 0xff : 128 + signal
    }

    public var isRunning: Bool { outcome.status == nil }

    /// Does nothing if it has ended.
    public func signal(_ signal: Int32) {
        if isRunning { kill(identifier, signal) }
    }

    /// The same for all that it has started.
    public func signalGroup(_ signal: Int32) {
        if isRunning { kill(-identifier, signal) }
    }

    /// Waits until it has ended, for callers that cannot do anything else meanwhile.
    @discardableResult
    public func endBlocking() -> Int32 {
        while isRunning { usleep(2000) }
        return outcome.status ?? 255
    }

    /// Waits until it has ended.
    ///
    /// - Returns: as `Program.Result`.
    @discardableResult
    public func end() async -> Int32 { await outcome.wait() }
}
