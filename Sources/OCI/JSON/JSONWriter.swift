extension JSONValue {
    /// The document on one line, names sorted, nothing escaped that need not be: equal values give equal bytes.
    public var text: String {
        var output = ""
        write(to: &output, indent: nil, level: 0)
        return output
    }

    /// The document indented by two spaces a level, for people.
    public var indented: String {
        var output = ""
        write(to: &output, indent: "  ", level: 0)
        return output
    }

    private func write(to output: inout String, indent: String?, level: Int) {
        switch self {
        case .null: output += "null"
        case .bool(let flag): output += flag ? "true" : "false"
        case .number(let number): output += String(number)
        case .decimal(let text): output += text
        case .string(let text): JSONValue.quote(text, to: &output)
        case .array(let items):
            JSONValue.write(items, between: ("[", "]"), to: &output, indent: indent, level: level) { item, output in
                item.write(to: &output, indent: indent, level: level + 1)
            }
        case .object(let members):
            let sorted = members.sorted { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }
            JSONValue.write(sorted, between: ("{", "}"), to: &output, indent: indent, level: level) { member, output in
                JSONValue.quote(member.key, to: &output)
                output += indent == nil ? ":" : ": "
                member.value.write(to: &output, indent: indent, level: level + 1)
            }
        }
    }

    private static func write<Item>(
        _ items: [Item], between brackets: (String, String), to output: inout String, indent: String?, level: Int,
        each: (Item, inout String) -> Void
    ) {
        output += brackets.0
        for (number, item) in items.enumerated() {
            if number > 0 { output += "," }
            if let indent { output += "\n" + String(repeating: indent, count: level + 1) }
            each(item, &output)
        }
        if let indent, !items.isEmpty { output += "\n" + String(repeating: indent, count: level) }
        output += brackets.1
    }

    private static func quote(_ text: String, to output: inout String) {
        output += "\""
        defer { output += "\"" }
        // What most strings are, such as digests and names: as they stand.
        guard text.utf8.contains(where: needsEscape) else { return output += text }
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": output += "\\\""
            case "\\": output += "\\\\"
            case "\n": output += "\\n"
            case "\r": output += "\\r"
            case "\t": output += "\\t"
            case "\u{0}"..."\u{1f}", "\u{7f}":
                let hex = String(scalar.value, radix: 16)
                output += "\\u" + String(repeating: "0", count: 4 - hex.count) + hex
            default: output.unicodeScalars.append(scalar)
            }
        }
    }

    private static func needsEscape(_ byte: UInt8) -> Bool {
        byte < 0x20 || byte == 0x7f || byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\")
    }
}
