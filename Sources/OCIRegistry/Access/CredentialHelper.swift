import Glibc
import NIOPosix
import OCI
import Synchronization

import class Foundation.ProcessInfo

/// A program that knows passwords: `docker-credential-NAME`, as docker's config.json names them, or any that answers
/// like one.
///
/// Started without a shell; it has 30 seconds and 64 KiB. What it prints is never shown.
struct CredentialHelper: Sendable {
    static let timeLimit = Duration.seconds(30)
    static let outputLimit = 64 << 10

    private static let birth = Mutex(())

    private let program: String
    private let arguments: [String]
    /// Whether it is told what to do: `get`, `store` or `erase`.
    private let speaksVerbs: Bool

    /// - Throws: `RegistryError` `.policy` for a name that is more than a name.
    init(name: String) throws(RegistryError) {
        guard !name.isEmpty, name.utf8.allSatisfy({ CredentialHelper.isNameCharacter($0) }) else {
            throw RegistryError(.policy, "'\(shown(name, limit: 100))' is not the name of a credential helper")
        }
        program = "docker-credential-" + name
        arguments = []
        speaksVerbs = true
    }

    /// - Parameter command: the program and its arguments, none of which is read by a shell.
    /// - Throws: `RegistryError` `.policy` for a command without a program.
    init(command: [String]) throws(RegistryError) {
        guard let first = command.first, !first.isEmpty, !command.contains(where: { $0.utf8.contains(0) }) else {
            throw RegistryError(.policy, "the command for credentials names no program")
        }
        program = first
        arguments = Array(command.dropFirst())
        speaksVerbs = false
    }

    /// - Returns: nil if the helper knows nothing of the server.
    func credential(for server: String) async throws -> Credential? {
        let output = try await NIOThreadPool.singleton.runIfActive { try run("get", input: server + "\n") }
        guard let output else { return nil }
        let json: JSONValue
        do throws(OCIError) {
            json = try JSONValue(parsing: output, in: program)
        } catch {
            throw failed("its answer is not JSON")
        }
        guard let username = json["Username"]?.stringValue, let secret = json["Secret"]?.stringValue else {
            throw failed("its answer has no Username and Secret")
        }
        return username == "<token>"
            ? .identityToken(secret) : .password(username: username, password: secret)
    }

    /// Has the helper keep a password. Blocks.
    func store(username: String, password: String, for server: String) throws {
        let login = JSONValue.object([
            "ServerURL": .string(server), "Username": .string(username), "Secret": .string(password),
        ])
        guard try run("store", input: login.text) != nil else { throw failed("it keeps nothing") }
    }

    /// Has the helper forget a password. Blocks.
    ///
    /// - Returns: whether it knew one.
    func erase(_ server: String) throws -> Bool { try run("erase", input: server + "\n") != nil }

    private func failed(_ reason: String) -> RegistryError {
        let words = [program] + arguments + (speaksVerbs ? ["get"] : [])
        return RegistryError(
            .auth, "\(shown(program, limit: 200)) does not give the credentials: \(reason)",
            advice: "run it by hand: echo HOST | \(shown(words.joined(separator: " "), limit: 400))")
    }

    private static func isNameCharacter(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "."):
            true
        default: false
        }
    }

    /// What the helper prints; nil if it says that it has no such credentials.
    private func run(_ verb: String, input: String) throws -> [UInt8]? {
        var toChild: [Int32] = [-1, -1]
        var fromChild: [Int32] = [-1, -1]
        defer { (toChild + fromChild).forEach { if $0 >= 0 { close($0) } } }
        // One at a time, so that no other helper is born with these pipes open.
        let child = try CredentialHelper.birth.withLock { _ in
            guard pipe(&toChild) == 0, pipe(&fromChild) == 0 else { throw failed(String(cString: strerror(errno))) }
            for file in toChild + fromChild { _ = fcntl(file, F_SETFD, FD_CLOEXEC) }
            return try spawn(verb, input: toChild[0], output: fromChild[1])
        }
        close(toChild[0])
        toChild[0] = -1
        close(fromChild[1])
        fromChild[1] = -1
        var hasEnded = false
        defer {
            if !hasEnded {
                kill(child, SIGKILL)
                var status: Int32 = 0
                waitpid(child, &status, 0)
            }
        }
        // A pipe holds far more than a host name; the child that does not read it makes no difference.
        _ = Array(input.utf8).withUnsafeBytes { write(toChild[1], $0.baseAddress, $0.count) }
        close(toChild[1])
        toChild[1] = -1

        let output = try readAll(fromChild[0])
        var status: Int32 = 0
        guard waitpid(child, &status, 0) == child else { throw failed(String(cString: strerror(errno))) }
        hasEnded = true
        guard status == 0 else {
            let text = String(decoding: output, as: UTF8.self)
            if text.contains("credentials not found") { return nil }
            throw failed("it ended with status \(status >> 8 & 0xff)")
        }
        return output
    }

    private func spawn(_ verb: String, input: Int32, output: Int32) throws(RegistryError) -> pid_t {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_adddup2(&actions, input, 0)
        posix_spawn_file_actions_adddup2(&actions, output, 1)
        posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0)
        var words: [UnsafeMutablePointer<CChar>?] =
            ([program] + arguments + (speaksVerbs ? [verb] : []))
            .map { strdup($0) } + [nil]
        defer { words.forEach { free($0) } }
        var environment: [UnsafeMutablePointer<CChar>?] = ProcessInfo.processInfo.environment.map { name, value in
            strdup(name + "=" + value)
        }
        environment.append(nil)
        defer { environment.forEach { free($0) } }
        var child: pid_t = 0
        let error = posix_spawnp(&child, program, &actions, nil, &words, &environment)
        guard error == 0 else { throw failed(String(cString: strerror(error))) }
        return child
    }

    private func readAll(_ file: Int32) throws(RegistryError) -> [UInt8] {
        let start = ContinuousClock.now
        var output: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 4096)
        while true {
            let left = CredentialHelper.timeLimit - (ContinuousClock.now - start)
            guard left > .zero else { throw failed("it took longer than \(CredentialHelper.timeLimit)") }
            var waiting = pollfd(fd: file, events: Int16(POLLIN), revents: 0)
            guard poll(&waiting, 1, 1000) >= 0 || errno == EINTR else {
                throw failed(String(cString: strerror(errno)))
            }
            guard waiting.revents != 0 else { continue }
            let count = chunk.withUnsafeMutableBytes { read(file, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw failed(String(cString: strerror(errno))) }
            if count == 0 { return output }
            output += chunk.prefix(count)
            guard output.count <= CredentialHelper.outputLimit else {
                throw failed("it prints more than \(CredentialHelper.outputLimit) bytes")
            }
        }
    }
}
