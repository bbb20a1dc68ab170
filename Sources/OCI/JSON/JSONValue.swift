/// A JSON document, read strictly: no duplicate names, no trailing bytes, bounded depth.
///
/// Ours and not Foundation's because the decoders there keep the last of two members with one name, so that two
/// programs could see two different digests in one manifest (RFC 8259, section 4).
public enum JSONValue: Hashable, Sendable {
    case null
    case bool(Bool)
    case number(Int64)
    /// A number with a fraction, an exponent, or beyond 64 bits, as it is written.
    case decimal(String)
    case string(String)
    case array([JSONValue])
    case object([String: JSONValue])
}

extension JSONValue {
    var typeName: String {
        switch self {
        case .null: "null"
        case .bool: "a boolean"
        case .number, .decimal: "a number"
        case .string: "a string"
        case .array: "an array"
        case .object: "an object"
        }
    }

    /// The members, or an error that names `place`.
    public func object(_ place: String) throws(OCIError) -> [String: JSONValue] {
        guard case .object(let members) = self else { throw .damaged("\(place) is \(typeName), want an object") }
        return members
    }

    public func array(_ place: String) throws(OCIError) -> [JSONValue] {
        guard case .array(let items) = self else { throw .damaged("\(place) is \(typeName), want an array") }
        return items
    }

    public func string(_ place: String) throws(OCIError) -> String {
        guard case .string(let text) = self else { throw .damaged("\(place) is \(typeName), want a string") }
        return text
    }

    public func integer(_ place: String) throws(OCIError) -> Int64 {
        switch self {
        case .number(let number): return number
        case .decimal(let text): throw .damaged("\(place) is \(shown(text, limit: 40)), want a whole number below 2^63")
        default: throw .damaged("\(place) is \(typeName), want a whole number")
        }
    }

    /// An object whose values are all strings; `null` stands for an empty one.
    public func strings(_ place: String) throws(OCIError) -> [String: String] {
        if self == .null { return [:] }
        var result: [String: String] = [:]
        for (name, value) in try object(place) { result[name] = try value.string("\(place).\(shown(name, limit: 80))") }
        return result
    }

    /// A member of an object; nil where there is none, or where this is no object.
    public subscript(name: String) -> JSONValue? {
        if case .object(let members) = self { members[name] } else { nil }
    }

    public var stringValue: String? {
        if case .string(let text) = self { text } else { nil }
    }

    public var integerValue: Int64? {
        if case .number(let number) = self { number } else { nil }
    }
}
