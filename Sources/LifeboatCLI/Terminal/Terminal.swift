import Glibc
import Lifeboat
import OCI

/// Where words go: stdout is the answer, stderr is the story.
enum Terminal {
    static func answer(_ text: String) {
        write(text + "\n", to: STDOUT_FILENO)
    }

    static func answer(_ document: JSONValue) {
        write(document, to: STDOUT_FILENO)
    }

    static func story(_ document: JSONValue) {
        write(document, to: STDERR_FILENO)
    }

    static func story(_ text: String) {
        write(text + "\n", to: STDERR_FILENO)
    }

    /// A line that the next one replaces.
    static func status(_ text: String) {
        write("\r\u{1b}[2K" + text, to: STDERR_FILENO)
    }

    static let hasStatusLine = isatty(STDERR_FILENO) == 1 && getenv("TERM").map { String(cString: $0) } != "dumb"

    /// Columns of the terminal that the story goes to.
    static var width: Int {
        var size = winsize()
        guard ioctl(STDERR_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 else { return 80 }
        return Int(size.ws_col)
    }

    /// Columns of the terminal that the answer goes to; many where it goes to a file.
    static var answerWidth: Int {
        var size = winsize()
        guard ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 else { return 120 }
        return Int(size.ws_col)
    }

    /// From this width on there is room for whole digests.
    private static let wide = 120

    /// Whether the answer goes to people with little room; files and other programs have all there is.
    static let isNarrow = isatty(STDOUT_FILENO) == 1 && answerWidth < wide

    /// A digest as the answer shows it: where there is little room its first twelve digits.
    static func digest(_ digest: Digest) -> String { isNarrow ? digest.short : digest.description }

    private static func write(_ document: JSONValue, to descriptor: Int32) {
        var pieces = Pieces(descriptor: descriptor)
        document.writeIndented(to: &pieces)
        pieces.write("\n")
        pieces.flush()
    }

    /// A text on its way out: as much of it is in memory as is written at once.
    private struct Pieces: TextOutputStream {
        private static let size = 64 << 10

        let descriptor: Int32
        private var pending: [UInt8] = []

        init(descriptor: Int32) {
            self.descriptor = descriptor
            pending.reserveCapacity(Pieces.size)
        }

        mutating func write(_ text: String) {
            pending += text.utf8
            if pending.count >= Pieces.size { flush() }
        }

        mutating func flush() {
            Terminal.write(pending[...], to: descriptor)
            pending.removeAll(keepingCapacity: true)
        }
    }

    private static func write(_ text: String, to descriptor: Int32) {
        write(Array(text.utf8)[...], to: descriptor)
    }

    private static func write(_ bytes: ArraySlice<UInt8>, to descriptor: Int32) {
        var bytes = bytes
        while !bytes.isEmpty {
            let written = bytes.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if written < 0 {
                if errno == EINTR || errno == EAGAIN { continue }
                // Nobody reads the answer any more: there is nobody to tell either.
                if descriptor == STDOUT_FILENO { _exit(FailureKindCode.local) }
                return
            }
            bytes = bytes.dropFirst(written)
        }
    }

    private enum FailureKindCode {
        static let local: Int32 = 74
    }
}

func size(_ bytes: Int64) -> String { Figures.bytes(bytes) }

func time(_ seconds: Double) -> String { Figures.time(seconds) }

func count(_ number: Int, _ noun: String) -> String { Figures.count(number, noun) }
