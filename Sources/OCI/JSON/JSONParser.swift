import NIOCore

extension JSONValue {
    /// The deepest nesting that is read; manifests need five or six.
    public static let depthLimit = 100

    /// Reads one JSON document (RFC 8259).
    ///
    /// - Throws: `OCIError` of kind `.damaged` that names `place` and the byte.
    public init(parsing bytes: some Collection<UInt8>, in place: String) throws(OCIError) {
        let result: Result<JSONValue, OCIError>? = bytes.withContiguousStorageIfAvailable { storage in
            var parser = JSONParser(bytes: UnsafeRawBufferPointer(storage), place: place)
            do throws(OCIError) { return .success(try parser.document()) } catch { return .failure(error) }
        }
        if let result {
            self = try result.get()
        } else {
            try self.init(parsing: Array(bytes), in: place)
        }
    }

    public init(parsing buffer: ByteBuffer, in place: String) throws(OCIError) {
        try self.init(parsing: buffer.readableBytesView, in: place)
    }
}

struct JSONParser {
    private let bytes: UnsafeRawBufferPointer
    private let place: String
    private var position = 0
    private var depth = 0

    init(bytes: UnsafeRawBufferPointer, place: String) {
        self.bytes = bytes
        self.place = place
    }

    mutating func document() throws(OCIError) -> JSONValue {
        try begin()
        let value = try value()
        try end()
        return value
    }

    /// Goes to the first byte of the document.
    mutating func begin() throws(OCIError) {
        if bytes.count >= 3, bytes[0] == 0xef, bytes[1] == 0xbb, bytes[2] == 0xbf {
            throw fault("it begins with a byte order mark")
        }
        skipSpace()
    }

    /// Checks that the document ends here.
    mutating func end() throws(OCIError) {
        skipSpace()
        guard position == bytes.count else { throw fault("there is something after the end") }
    }

    private func fault(_ reason: String) -> OCIError {
        .damaged("\(place) is not valid JSON at byte \(position): \(reason)")
    }

    private var current: UInt8? { position < bytes.count ? bytes[position] : nil }

    private mutating func skipSpace() {
        while let byte = current, byte == 0x20 || byte == 0x0a || byte == 0x0d || byte == 0x09 { position += 1 }
    }

    mutating func value() throws(OCIError) -> JSONValue {
        guard let byte = current else { throw fault("it ends too early") }
        switch byte {
        case UInt8(ascii: "{"): return try object()
        case UInt8(ascii: "["): return try array()
        case UInt8(ascii: "\""): return .string(try string())
        case UInt8(ascii: "t"): return try word("true", .bool(true))
        case UInt8(ascii: "f"): return try word("false", .bool(false))
        case UInt8(ascii: "n"): return try word("null", .null)
        case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): return try number()
        default: throw fault("unexpected byte 0x\(String(byte, radix: 16))")
        }
    }

    private mutating func word(_ text: StaticString, _ value: JSONValue) throws(OCIError) -> JSONValue {
        for offset in 0..<text.utf8CodeUnitCount {
            guard current == text.utf8Start[offset] else { throw fault("want \(text)") }
            position += 1
        }
        return value
    }

    private mutating func enter() throws(OCIError) {
        position += 1
        depth += 1
        guard depth <= JSONValue.depthLimit else { throw fault("it is nested deeper than \(JSONValue.depthLimit)") }
    }

    /// What begins here; nil at the end.
    var next: UInt8? { current }

    private mutating func object() throws(OCIError) -> JSONValue {
        var members: [String: JSONValue] = [:]
        try forEachMember { name, parser throws(OCIError) in
            guard members.updateValue(try parser.value(), forKey: name) == nil else { throw parser.twice(name) }
        }
        return .object(members)
    }

    private mutating func array() throws(OCIError) -> JSONValue {
        var items: [JSONValue] = []
        try forEachItem { parser throws(OCIError) in items.append(try parser.value()) }
        return .array(items)
    }

    /// Reads an object member by member.
    ///
    /// - Parameter body: reads the value, and says if the name stands twice.
    mutating func forEachMember(_ body: (String, inout JSONParser) throws(OCIError) -> Void) throws(OCIError) {
        try enter()
        defer { depth -= 1 }
        skipSpace()
        if current == UInt8(ascii: "}") {
            position += 1
            return
        }
        while true {
            skipSpace()
            guard current == UInt8(ascii: "\"") else { throw fault("want a name") }
            let name = try string()
            skipSpace()
            guard current == UInt8(ascii: ":") else { throw fault("want ':'") }
            position += 1
            skipSpace()
            try body(name, &self)
            skipSpace()
            switch current {
            case UInt8(ascii: ","): position += 1
            case UInt8(ascii: "}"):
                position += 1
                return
            default: throw fault("want ',' or '}'")
            }
        }
    }

    /// Reads an array item by item.
    mutating func forEachItem(_ body: (inout JSONParser) throws(OCIError) -> Void) throws(OCIError) {
        try enter()
        defer { depth -= 1 }
        skipSpace()
        if current == UInt8(ascii: "]") {
            position += 1
            return
        }
        while true {
            skipSpace()
            try body(&self)
            skipSpace()
            switch current {
            case UInt8(ascii: ","): position += 1
            case UInt8(ascii: "]"):
                position += 1
                return
            default: throw fault("want ',' or ']'")
            }
        }
    }

    /// Passes over a value, as strictly as if it were kept.
    mutating func skip() throws(OCIError) {
        switch current {
        case UInt8(ascii: "{"):
            var names: Set<String> = []
            try forEachMember { name, parser throws(OCIError) in
                guard names.insert(name).inserted else { throw parser.twice(name) }
                try parser.skip()
            }
        case UInt8(ascii: "["): try forEachItem { parser throws(OCIError) in try parser.skip() }
        default: _ = try value()
        }
    }

    func twice(_ name: String) -> OCIError { fault("the name '\(shown(name, limit: 80))' stands twice") }

    private mutating func number() throws(OCIError) -> JSONValue {
        let start = position
        if current == UInt8(ascii: "-") { position += 1 }
        let firstDigit = position
        guard skipDigits() > 0 else { throw fault("want a digit") }
        if bytes[firstDigit] == UInt8(ascii: "0"), position - firstDigit > 1 { throw fault("a number begins with 0") }
        var isWhole = true
        if current == UInt8(ascii: ".") {
            isWhole = false
            position += 1
            guard skipDigits() > 0 else { throw fault("want a digit") }
        }
        if current == UInt8(ascii: "e") || current == UInt8(ascii: "E") {
            isWhole = false
            position += 1
            if current == UInt8(ascii: "+") || current == UInt8(ascii: "-") { position += 1 }
            guard skipDigits() > 0 else { throw fault("want a digit") }
        }
        let text = String(decoding: bytes[start..<position], as: UTF8.self)
        if isWhole, let number = Int64(text) { return .number(number) }
        return .decimal(text)
    }

    private mutating func skipDigits() -> Int {
        let start = position
        while let byte = current, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) { position += 1 }
        return position - start
    }

    private mutating func string() throws(OCIError) -> String {
        position += 1
        let start = position
        while let byte = current, byte != UInt8(ascii: "\""), byte != UInt8(ascii: "\\"), byte >= 0x20 { position += 1 }
        if current == UInt8(ascii: "\"") {
            defer { position += 1 }
            return try text(bytes[start..<position])
        }
        var collected = Array(bytes[start..<position])
        while let byte = current {
            switch byte {
            case UInt8(ascii: "\""):
                position += 1
                return try text(collected)
            case UInt8(ascii: "\\"): try escape(into: &collected)
            case 0..<0x20: throw fault("a control character stands in a string")
            default:
                collected.append(byte)
                position += 1
            }
        }
        throw fault("a string does not end")
    }

    private func text(_ bytes: some Sequence<UInt8>) throws(OCIError) -> String {
        guard let text = String(validating: bytes, as: UTF8.self) else { throw fault("a string is not UTF-8") }
        return text
    }

    private mutating func escape(into output: inout [UInt8]) throws(OCIError) {
        position += 1
        guard let byte = current else { throw fault("a string does not end") }
        position += 1
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): output.append(byte)
        case UInt8(ascii: "b"): output.append(0x08)
        case UInt8(ascii: "f"): output.append(0x0c)
        case UInt8(ascii: "n"): output.append(0x0a)
        case UInt8(ascii: "r"): output.append(0x0d)
        case UInt8(ascii: "t"): output.append(0x09)
        case UInt8(ascii: "u"):
            var code = try hexQuad()
            if (0xd800..<0xdc00).contains(code) {
                guard current == UInt8(ascii: "\\"), position + 1 < bytes.count,
                    bytes[position + 1] == UInt8(ascii: "u")
                else { throw fault("a surrogate stands alone") }
                position += 2
                let low = try hexQuad()
                guard (0xdc00..<0xe000).contains(low) else { throw fault("a surrogate stands alone") }
                code = 0x10000 + (code - 0xd800) << 10 + (low - 0xdc00)
            }
            guard let scalar = Unicode.Scalar(code) else { throw fault("a surrogate stands alone") }
            output.append(contentsOf: Array(String(Character(scalar)).utf8))
        default: throw fault("unknown escape")
        }
    }

    private mutating func hexQuad() throws(OCIError) -> UInt32 {
        guard position + 4 <= bytes.count,
            bytes[position..<position + 4].allSatisfy({ Character(Unicode.Scalar($0)).isHexDigit }),
            let code = UInt32(String(decoding: bytes[position..<position + 4], as: UTF8.self), radix: 16)
        else { throw fault("want four hex digits") }
        position += 4
        return code
    }
}
