import Glibc
import OCI

/// Where words go: stdout is the answer, stderr is the story.
enum Terminal {
    static func answer(_ text: String) {
        write(text + "\n", to: STDOUT_FILENO)
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

    private static func write(_ text: String, to descriptor: Int32) {
        var bytes = Array(text.utf8)[...]
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

/// Bytes as people read them: decimal units, three digits.
func size(_ bytes: Int64) -> String {
    if bytes < 1000 { return "\(bytes) B" }
    var value = Double(bytes)
    var unit = ""
    for name in ["kB", "MB", "GB", "TB", "PB"] {
        value /= 1000
        unit = name
        if value < 999.5 { break }
    }
    let digits = value < 9.995 ? 2 : value < 99.95 ? 1 : 0
    return decimal(value, digits: digits) + " " + unit
}

/// Seconds as people read them.
func time(_ seconds: Double) -> String {
    if seconds < 0.9995 { return "\(Int((seconds * 1000).rounded())) ms" }
    if seconds < 59.95 { return decimal(seconds, digits: seconds < 9.95 ? 1 : 0) + " s" }
    let whole = Int(seconds.rounded())
    if whole < 3600 { return "\(whole / 60) min \(whole % 60) s" }
    return "\(whole / 3600) h \(whole % 3600 / 60) min"
}

private func decimal(_ value: Double, digits: Int) -> String {
    let scale = [1.0, 10, 100][digits]
    let scaled = Int((value * scale).rounded())
    guard digits > 0 else { return "\(scaled)" }
    let fraction = String(scaled % Int(scale))
    return "\(scaled / Int(scale))." + String(repeating: "0", count: digits - fraction.count) + fraction
}

/// `1 image`, `2 images`.
func count(_ number: Int, _ noun: String) -> String {
    number == 1 ? "1 \(noun)" : "\(number) \(noun)s"
}
