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
        writeIndented(to: &output)
        return output
    }

    /// Writes what `indented` is piece by piece: a document of many megabytes need not be in memory as a text, too.
    public func writeIndented(to output: inout some TextOutputStream) {
        write(to: &output, indent: "  ", level: 0)
    }

    private func write(to output: inout some TextOutputStream, indent: String?, level: Int) {
        switch self {
        case .null: output.write("null")
        case .bool(let flag): output.write(flag ? "true" : "false")
        case .number(let number): output.write(String(number))
        case .decimal(let text): output.write(text)
        case .string(let text): JSONValue.quote(text, to: &output)
        case .array(let items):
            JSONValue.write(items, between: ("[", "]"), to: &output, indent: indent, level: level) { item, output in
                item.write(to: &output, indent: indent, level: level + 1)
            }
        case .object(let members):
            let sorted = members.sorted { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }
            JSONValue.write(sorted, between: ("{", "}"), to: &output, indent: indent, level: level) { member, output in
                JSONValue.quote(member.key, to: &output)
                output.write(indent == nil ? ":" : ": ")
                member.value.write(to: &output, indent: indent, level: level + 1)
            }
        }
    }

    private static func write<Item, Output: TextOutputStream>(
        _ items: [Item], between brackets: (String, String), to output: inout Output, indent: String?, level: Int,
        each: (Item, inout Output) -> Void
    ) {
        output.write(brackets.0)
        for (number, item) in items.enumerated() {
            if number > 0 { output.write(",") }
            if let indent { output.write("\n" + String(repeating: indent, count: level + 1)) }
            each(item, &output)
        }
        if let indent, !items.isEmpty { output.write("\n" + String(repeating: indent, count: level)) }
        output.write(brackets.1)
    }

    private static func quote(_ text: String, to output: inout some TextOutputStream) {
        output.write("\"")
        defer { output.write("\"") }
        // What most strings are, such as digests and names: as they stand.
        guard text.utf8.contains(where: needsEscape) else { return output.write(text) }
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": output.write("\\\"")
            case "\\": output.write("\\\\")
            case "\n": output.write("\\n")
            case "\r": output.write("\\r")
            case "\t": output.write("\\t")
            case "\u{0}"..."\u{1f}", "\u{7f}":
                let hex = String(scalar.value, radix: 16)
                output.write("\\u" + String(repeating: "0", count: 4 - hex.count) + hex)
            default: output.write(String(scalar))
            }
        }
    }

    private static func needsEscape(_ byte: UInt8) -> Bool {
        byte < 0x20 || byte == 0x7f || byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\")
    }
}
