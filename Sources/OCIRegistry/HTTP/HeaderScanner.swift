/// Walks over a header field by the rules that several fields share (RFC 9110, section 5.6).
struct HeaderScanner {
    private let text: [Character]
    private var position = 0

    init(_ text: String) {
        self.text = Array(text)
    }

    var isAtEnd: Bool { position == text.count }
    var peek: Character? { isAtEnd ? nil : text[position] }

    mutating func skip(_ characters: String) {
        while let next = peek, characters.contains(next) { position += 1 }
    }

    mutating func take(_ character: Character) -> Bool {
        guard peek == character else { return false }
        position += 1
        return true
    }

    /// Everything before `end`, which is passed over; nil if there is none.
    mutating func take(until end: Character) -> String? {
        guard let stop = text[position...].firstIndex(of: end) else { return nil }
        defer { position = stop + 1 }
        return String(text[position..<stop])
    }

    /// One or more token characters, or any of `extra`.
    mutating func takeToken(extra: String) -> String? {
        let start = position
        while let next = peek, HeaderScanner.isToken(next) || extra.contains(next) { position += 1 }
        return position > start ? String(text[start..<position]) : nil
    }

    /// A quoted string without its quotes; nil, and nothing taken, if there is none that ends.
    mutating func takeQuoted() -> String? {
        let start = position
        guard take("\"") else { return nil }
        var value = ""
        while let next = peek {
            position += 1
            if next == "\"" { return value }
            if next == "\\" {
                guard let escaped = peek else { break }
                position += 1
                value.append(escaped)
            } else {
                value.append(next)
            }
        }
        position = start
        return nil
    }

    private static func isToken(_ character: Character) -> Bool {
        guard let byte = character.asciiValue else { return false }
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"):
            return true
        default: return "!#$%&'*+-.^_`|~".utf8.contains(byte)
        }
    }
}
