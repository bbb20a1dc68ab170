import OCI

/// A JSON document that is changed in place: what is not changed keeps its bytes, its order and its layout.
struct JSONText {
    private(set) var bytes: [UInt8]
    /// One level of indentation; nil for a document on one line.
    private let indent: String?

    /// - Throws: `OCIError` `.damaged` for what is no JSON object, strictly read.
    init(_ bytes: [UInt8], in place: String) throws(OCIError) {
        _ = try JSONValue(parsing: bytes, in: place).object(place)
        self.bytes = bytes
        var rest = bytes.drop { $0 != UInt8(ascii: "\n") }
        indent =
            rest.popFirst() == nil
            ? nil : String(decoding: rest.prefix { JSONText.isSpace($0) && $0 != UInt8(ascii: "\n") }, as: UTF8.self)
    }

    /// A new document of an empty object.
    init() {
        bytes = Array("{}".utf8)
        indent = "\t"
    }

    /// Sets a member of a member of …; objects on the way are made where there are none.
    mutating func set(_ path: [String], to value: JSONValue) {
        set(path[...], to: value, at: start, level: 1)
    }

    /// Takes a member away, if there is one.
    mutating func remove(_ path: [String]) {
        var object = start
        for name in path.dropLast() {
            guard let member = member(name, of: object), bytes[member.value.lowerBound] == UInt8(ascii: "{") else {
                return
            }
            object = member.value.lowerBound
        }
        let all = members(of: object)
        guard let name = path.last, let number = all.firstIndex(where: { $0.name == name }) else { return }
        if number + 1 < all.count {
            bytes.removeSubrange(all[number].start..<all[number + 1].start)
        } else if number > 0 {
            bytes.removeSubrange(all[number - 1].value.upperBound..<all[number].value.upperBound)
        } else {
            bytes.replaceSubrange(object..<end(of: object), with: Array("{}".utf8))
        }
    }

    private mutating func set(_ path: ArraySlice<String>, to value: JSONValue, at object: Int, level: Int) {
        guard let name = path.first else { return }
        let rest = path.dropFirst()
        if let member = member(name, of: object) {
            if rest.isEmpty {
                bytes.replaceSubrange(member.value, with: Array(text(value, level: level).utf8))
            } else {
                if bytes[member.value.lowerBound] != UInt8(ascii: "{") {
                    bytes.replaceSubrange(member.value, with: Array("{}".utf8))
                }
                set(rest, to: value, at: member.value.lowerBound, level: level + 1)
            }
            return
        }
        let nested = rest.reversed().reduce(value) { JSONValue.object([$1: $0]) }
        let new = line(level) + JSONValue.string(name).text + (indent == nil ? ":" : ": ") + text(nested, level: level)
        if let last = members(of: object).last {
            bytes.insert(contentsOf: Array(("," + new).utf8), at: last.value.upperBound)
        } else {
            bytes.replaceSubrange(object..<end(of: object), with: Array(("{" + new + line(level - 1) + "}").utf8))
        }
    }

    private func line(_ level: Int) -> String { indent.map { "\n" + String(repeating: $0, count: level) } ?? "" }

    /// A value as it stands at a level of the document.
    private func text(_ value: JSONValue, level: Int) -> String {
        guard indent != nil, case .object(let members) = value, !members.isEmpty else { return value.text }
        let lines = members.sorted { $0.key < $1.key }.map { name, value in
            line(level + 1) + JSONValue.string(name).text + ": " + text(value, level: level + 1)
        }
        return "{" + lines.joined(separator: ",") + line(level) + "}"
    }

    // MARK: Looking

    private struct Member {
        let name: String
        /// Of the name's quotation mark.
        let start: Int
        let value: Range<Int>
    }

    /// Where the whole object begins.
    private var start: Int { bytes.firstIndex(of: UInt8(ascii: "{")) ?? 0 }

    private func member(_ name: String, of object: Int) -> Member? { members(of: object).first { $0.name == name } }

    private func members(of object: Int) -> [Member] {
        var found: [Member] = []
        var position = skip(object + 1)
        while position < bytes.count, bytes[position] == UInt8(ascii: "\"") {
            let start = position
            position = end(of: start)
            let name = JSONText.name(bytes[start..<position])
            let value = skip(skip(position) + 1)
            position = end(of: value)
            found.append(Member(name: name, start: start, value: value..<position))
            position = skip(position)
            guard position < bytes.count, bytes[position] == UInt8(ascii: ",") else { break }
            position = skip(position + 1)
        }
        return found
    }

    /// Behind the value that begins at `start`.
    private func end(of start: Int) -> Int {
        var position = start
        var depth = 0
        var isInString = false
        while position < bytes.count {
            let byte = bytes[position]
            if isInString {
                if byte == UInt8(ascii: "\\") {
                    position += 1
                } else if byte == UInt8(ascii: "\"") {
                    isInString = false
                }
                if !isInString, depth == 0 { return position + 1 }
            } else {
                switch byte {
                case UInt8(ascii: "\""): isInString = true
                case UInt8(ascii: "{"), UInt8(ascii: "["): depth += 1
                case UInt8(ascii: "}"), UInt8(ascii: "]"):
                    // The end of what a number or a word stands in.
                    if depth == 0 { return position }
                    depth -= 1
                    if depth == 0 { return position + 1 }
                case UInt8(ascii: ","): if depth == 0 { return position }
                default: if depth == 0, JSONText.isSpace(byte) { return position }
                }
            }
            position += 1
        }
        return position
    }

    private func skip(_ start: Int) -> Int {
        var position = start
        while position < bytes.count, JSONText.isSpace(bytes[position]) { position += 1 }
        return position
    }

    private static func isSpace(_ byte: UInt8) -> Bool { [0x20, 0x09, 0x0a, 0x0d].contains(byte) }

    private static func name(_ quoted: ArraySlice<UInt8>) -> String {
        do throws(OCIError) {
            return try JSONValue(parsing: Array(quoted), in: "a name").string("a name")
        } catch {
            // The whole document has been parsed before.
            return ""
        }
    }
}
