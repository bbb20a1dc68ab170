import ArgumentParser
import Glibc
import Lifeboat
import OCI

/// Asks the person at the terminal.
enum Prompt {
    /// The longest password, in bytes.
    static let passwordLimit = 16 << 10

    static func line(_ question: String) throws -> String {
        guard isatty(0) == 1 else { throw noTerminal() }
        ask(question)
        return readLine() ?? ""
    }

    /// Reads a line that is not shown.
    static func password(_ question: String) throws -> String {
        guard isatty(0) == 1 else { throw noTerminal() }
        var before = termios()
        guard tcgetattr(0, &before) == 0 else { throw noTerminal() }
        var silent = before
        // Signals as well: nobody should be left with a terminal that shows nothing.
        silent.c_lflag &= ~tcflag_t(ECHO | ICANON | ISIG)
        guard tcsetattr(0, TCSAFLUSH, &silent) == 0 else { throw noTerminal() }
        defer {
            tcsetattr(0, TCSAFLUSH, &before)
            ask("\n")
        }
        ask(question)
        var bytes: [UInt8] = []
        while bytes.count <= passwordLimit {
            var byte: UInt8 = 0
            let count = read(0, &byte, 1)
            if count < 0, errno == EINTR { continue }
            guard count == 1 else { break }
            switch byte {
            case 3: throw ExitCode(130)  // Ctrl-C, as if the signal had come
            case 4, 10, 13: return try text(bytes)  // Ctrl-D and the ends of lines
            case 8, 127:
                // A character may be several bytes.
                while let last = bytes.popLast(), last & 0xc0 == 0x80 {}
            default: bytes.append(byte)
            }
        }
        return try text(bytes)
    }

    /// All of standard input, without the end of its line.
    static func standardInput() throws -> String {
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 4096)
        while bytes.count <= passwordLimit {
            let count = chunk.withUnsafeMutableBytes { read(0, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else {
                throw LifeboatError(.local, "stdin cannot be read: \(String(cString: strerror(errno)))")
            }
            if count == 0 { break }
            bytes += chunk.prefix(count)
        }
        if bytes.last == 10 { bytes.removeLast() }
        if bytes.last == 13 { bytes.removeLast() }
        return try text(bytes)
    }

    private static func text(_ bytes: [UInt8]) throws -> String {
        guard bytes.count <= passwordLimit, let text = String(validating: bytes, as: UTF8.self) else {
            throw LifeboatError(.usage, "the password is not text of at most \(passwordLimit) bytes")
        }
        return text
    }

    private static func ask(_ question: String) {
        var rest = Array(question.utf8)[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { write(2, $0.baseAddress, $0.count) }
            guard count > 0 else { return }
            rest = rest.dropFirst(count)
        }
    }

    private static func noTerminal() -> LifeboatError {
        LifeboatError(.usage, "there is no terminal to ask for the login", advice: "--username NAME --password-stdin")
    }
}
