import OCI

/// Finds the values of `image` and `imageID` in YAML and JSON text, at any depth, of any number of documents.
///
/// It reads scalars, and builds nothing: neither an alias nor a deep nesting can make it large or slow, and a dump of
/// all pods of a cluster costs what it finds. An alias stands for a value of `image` that had its anchor.
struct ImageFieldScanner {
    struct Field: Equatable {
        var text: String
        /// Counted from 1.
        var line: Int
        /// Whether it is an `imageID`.
        var isID: Bool
    }

    private let bytes: [UInt8]
    private let file: String
    private var position = 0
    private var line = 1
    private var lineStart = 0
    /// Open `{` and `[`.
    private var depth = 0
    /// The key whose value comes next, and the column where it begins.
    private var key: (name: Name, column: Int)?
    /// The column of the key or dash whose value is being read.
    private var owner = -1
    private var anchor: String?
    private var anchored: [String: String] = [:]
    private var fields: [Field] = []

    private enum Name { case image, imageID, reference, other }
    /// The column of an `image:` that has a mapping under it, in which `reference:` names the image (image volumes).
    private var volume: Int?

    /// - Throws: `DefinitionError` for what is not text, or ends within quotes.
    static func fields(of bytes: [UInt8], file: String) throws(DefinitionError) -> [Field] {
        var scanner = ImageFieldScanner(bytes: bytes, file: file)
        try scanner.run()
        return scanner.fields
    }

    private init(bytes: [UInt8], file: String) {
        self.bytes = bytes
        self.file = file
    }

    private func fault(_ reason: String, line: Int) -> DefinitionError {
        DefinitionError(file: file, faults: [.init(line: line, column: 1, key: "", reason: reason)])
    }

    private var current: UInt8? { position < bytes.count ? bytes[position] : nil }
    private var following: UInt8? { position + 1 < bytes.count ? bytes[position + 1] : nil }
    private var column: Int { position - lineStart }

    private mutating func run() throws(DefinitionError) {
        guard !bytes.contains(0) else { throw fault("the file is not UTF-8 text: it has a zero byte", line: 1) }
        if bytes.starts(with: [0xef, 0xbb, 0xbf]) {
            position = 3
            lineStart = 3
        }
        while let byte = current {
            switch byte {
            case UInt8(ascii: "\n"): newline()
            case UInt8(ascii: " "), UInt8(ascii: "\t"), UInt8(ascii: "\r"): position += 1
            case UInt8(ascii: "#") where isAtWordStart: skipLine()
            case UInt8(ascii: "{"), UInt8(ascii: "["):
                depth += 1
                open()
                position += 1
            case UInt8(ascii: "}"), UInt8(ascii: "]"):
                depth = max(0, depth - 1)
                key = nil
                volume = nil
                position += 1
            case UInt8(ascii: ",") where depth > 0:
                key = nil
                position += 1
            case UInt8(ascii: "-") where isDocumentMark, UInt8(ascii: ".") where isDocumentMark:
                key = nil
                depth = 0
                owner = -1
                volume = nil
                position += 3
            case UInt8(ascii: "-") where depth == 0 && isSpace(following),
                UInt8(ascii: "?") where depth == 0 && isSpace(following):
                key = nil
                owner = column
                position += 1
            case UInt8(ascii: "&"): anchor = word()
            case UInt8(ascii: "*"):
                let name = word()
                take(anchored[name] ?? "*" + name, line: line)
            case UInt8(ascii: "!"): _ = word()
            case UInt8(ascii: "|") where depth == 0, UInt8(ascii: ">") where depth == 0: skipBlock(value: true)
            case UInt8(ascii: "\""), UInt8(ascii: "'"): try quoted(byte)
            default: plain()
            }
        }
    }

    // MARK: Tokens

    private mutating func newline() {
        position += 1
        line += 1
        lineStart = position
    }

    private mutating func skipLine() {
        while let byte = current, byte != UInt8(ascii: "\n") { position += 1 }
    }

    private func isSpace(_ byte: UInt8?) -> Bool {
        guard let byte else { return true }
        return byte == 0x20 || byte == 0x09 || byte == 0x0a || byte == 0x0d
    }

    private var isAtWordStart: Bool { position == 0 || isSpace(bytes[position - 1]) }

    /// `---` or `...` at the beginning of a line.
    private var isDocumentMark: Bool {
        guard column == 0, position + 2 < bytes.count, let byte = current, bytes[position + 1] == byte,
            bytes[position + 2] == byte
        else { return false }
        return isSpace(position + 3 < bytes.count ? bytes[position + 3] : nil)
    }

    /// An anchor, an alias or a tag, without its sign.
    private mutating func word() -> String {
        position += 1
        let start = position
        while let byte = current, !isSpace(byte), depth == 0 || !",]}".utf8.contains(byte) { position += 1 }
        return String(decoding: bytes[start..<position].prefix(200), as: UTF8.self)
    }

    private mutating func quoted(_ quote: UInt8) throws(DefinitionError) {
        let (start, startLine) = (column, line)
        position += 1
        var text: [UInt8] = []
        while let byte = current, byte != quote || (quote == UInt8(ascii: "'") && following == quote) {
            if byte == UInt8(ascii: "\n") {
                newline()
                text.append(0x20)
                continue
            }
            if byte == quote { position += 1 }  // '' stands for '
            if byte == UInt8(ascii: "\\"), quote == UInt8(ascii: "\"") {
                position += 1
                // Only what can stand in a name is worth writing out: \/ and \".
                if current == UInt8(ascii: "\n") { continue }
            }
            if let byte = current, text.count < 1000 { text.append(byte) }
            position += 1
        }
        guard current != nil else { throw fault("a text in quotes does not end", line: startLine) }
        position += 1
        ended(String(decoding: text, as: UTF8.self), column: start, line: startLine, isQuoted: true)
    }

    private mutating func plain() {
        let (start, begin) = (column, position)
        while let byte = current, byte != UInt8(ascii: "\n") {
            if byte == UInt8(ascii: ":"), isKeyEnd { break }
            if byte == UInt8(ascii: "#"), isAtWordStart { break }
            if depth > 0, ",[]{}".utf8.contains(byte) { break }
            position += 1
        }
        var end = position
        while end > begin, isSpace(bytes[end - 1]) { end -= 1 }
        ended(
            String(decoding: bytes[begin..<end].prefix(1000), as: UTF8.self), column: start, line: line, isQuoted: false
        )
    }

    /// Whether the colon here ends a key.
    private var isKeyEnd: Bool {
        isSpace(following) || (depth > 0 && following.map { ",[]{}".utf8.contains($0) } ?? true)
    }

    // MARK: Keys and values

    private mutating func ended(_ text: String, column: Int, line: Int, isQuoted: Bool) {
        let end = position
        while current == 0x20 || current == 0x09 { position += 1 }
        // In JSON a value may follow the colon at once.
        if current == UInt8(ascii: ":"), isKeyEnd || isQuoted {
            position += 1
            began(key: text, column: column)
            return
        }
        position = end
        take(text, line: line)
        if !isQuoted, depth == 0 { skipBlock(value: false) }
    }

    private mutating func began(key text: String, column: Int) {
        if let outer = volume, column <= outer { volume = nil }
        anchor = nil
        owner = column
        let name: Name =
            switch text {
            case "image": .image
            case "imageID": .imageID
            case "reference": .reference
            default: .other
            }
        // A key in place of the value of `image`: the value is a mapping.
        if let open = key, open.name == .image, depth == 0, column > open.column { volume = open.column }
        key = (name, column)
    }

    /// `image: {reference: …}`
    private mutating func open() {
        if let open = key, open.name == .image { volume = open.column }
        key = nil
    }

    private mutating func take(_ text: String, line: Int) {
        defer {
            key = nil
            anchor = nil
        }
        guard let name = key?.name, name != .other else {
            if let anchor, text.utf8.count <= 512, anchored.count < 10_000 { anchored[anchor] = text }
            return
        }
        if let anchor, anchored.count < 10_000 { anchored[anchor] = text }
        switch name {
        case .image: fields.append(Field(text: text, line: line, isID: false))
        case .imageID: fields.append(Field(text: text, line: line, isID: true))
        case .reference where volume != nil: fields.append(Field(text: text, line: line, isID: false))
        default: break
        }
    }

    /// Passes over the lines that are indented deeper than the key or dash that they belong to: a block scalar, or
    /// what follows of a plain one.
    private mutating func skipBlock(value isBlock: Bool) {
        if isBlock { key = nil }
        skipLine()
        while current != nil {
            let next = position + 1
            var first = next
            while first < bytes.count, bytes[first] == 0x20 { first += 1 }
            guard first < bytes.count else { break }
            let isBlank = bytes[first] == UInt8(ascii: "\n") || bytes[first] == UInt8(ascii: "\r")
            guard isBlank || first - next > owner else { break }
            if owner < 0, first == next, bytes[first...].starts(with: "---".utf8) { break }
            newline()
            skipLine()
        }
    }
}
