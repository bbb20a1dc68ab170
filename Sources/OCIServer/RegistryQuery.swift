import HTTPTypes
import OCI

/// The query of a request, decoded; of two values with one name the first counts, where not all are asked for.
struct RegistryQuery: Sendable {
    private var values: [String: [String]] = [:]

    init(_ text: String?) {
        for pair in (text ?? "").split(separator: "&") {
            let parts = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard let name = percentDecoded(parts[0]) else { continue }
            let value = parts.count == 2 ? percentDecoded(parts[1]) : ""
            if let value { values[name, default: []].append(value) }
        }
    }

    subscript(name: String) -> String? { values[name]?.first }

    func all(_ name: String) -> [String] { values[name] ?? [] }

    /// The digest that a request names.
    ///
    /// - Throws: `RegistryError` `DIGEST_INVALID` for text that is no digest.
    func digest(_ name: String) throws(RegistryError) -> Digest? {
        guard let text = self[name] else { return nil }
        do throws(OCIError) {
            return try Digest(parsing: text)
        } catch {
            throw RegistryError(.badRequest, .digestInvalid, error.description)
        }
    }
}

/// A part of a sorted list (distribution specification, "Listing tags").
struct RegistryPage: Sendable {
    /// The most names of one page, whatever is asked for.
    static let limit = 10_000

    let names: [String]
    /// The query of the next page; nil at the end.
    let next: String?

    /// - Throws: `RegistryError` if the number asked for is none.
    init(of all: [String], query: RegistryQuery) throws(RegistryError) {
        var count = RegistryPage.limit
        if let text = query["n"] {
            guard let number = Int(text), number >= 0 else {
                throw RegistryError(.badRequest, .paginationInvalid, "n is '\(shown(text, limit: 40))', want a number")
            }
            count = min(number, count)
        }
        var rest = all[...]
        if let last = query["last"] { rest = rest.drop { $0 <= last } }
        names = Array(rest.prefix(count))
        if let last = names.last, rest.count > names.count {
            next = "n=\(count)&last=\(RegistryPage.encoded(last))"
        } else {
            next = nil
        }
    }

    /// Percent-encodes what may not stand in a query value.
    static func encoded(_ text: String) -> String {
        text.utf8.map { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"):
                String(Unicode.Scalar(byte))
            default: "%" + (byte < 16 ? "0" : "") + String(byte, radix: 16, uppercase: true)
            }
        }.joined()
    }
}
