import OCI

/// The records of a pax header that decide what an entry is (POSIX.1-2017, pax, "pax Extended Header").
struct TarExtendedHeader {
    private(set) var path: String?
    private(set) var linkPath: String?
    private(set) var size: Int64?

    init(_ body: some Collection<UInt8>, fault: (String) -> ArchiveError) throws {
        var rest = Array(body)[...]
        var seen: Set<String> = []
        while !rest.isEmpty {
            let digits = rest.prefix { $0 != UInt8(ascii: " ") }
            guard digits.count <= 7, TarExtendedHeader.isDigits(digits),
                let length = Int(String(decoding: digits, as: UTF8.self)), length > digits.count + 1,
                length <= rest.count, rest[rest.startIndex + length - 1] == UInt8(ascii: "\n")
            else { throw fault("a record of an extended header has the wrong length") }
            let record = rest.prefix(length - 1).dropFirst(digits.count + 1)
            rest = rest.dropFirst(length)
            guard let equals = record.firstIndex(of: UInt8(ascii: "=")), equals > record.startIndex,
                let key = String(validating: record[..<equals], as: UTF8.self)
            else { throw fault("a record of an extended header has no name") }
            guard seen.insert(key).inserted else {
                throw fault("'\(shown(key, limit: 80))' stands twice in an extended header")
            }
            try take(key, record[record.index(after: equals)...], fault)
        }
    }

    private mutating func take(_ key: String, _ value: ArraySlice<UInt8>, _ fault: (String) -> ArchiveError) throws {
        switch key {
        case "path": path = try TarExtendedHeader.text(key, value, fault)
        case "linkpath": linkPath = try TarExtendedHeader.text(key, value, fault)
        case "size":
            guard TarExtendedHeader.isDigits(value), let number = Int64(String(decoding: value, as: UTF8.self)) else {
                throw fault("the size in an extended header is no number from 0 to 2^63-1")
            }
            size = number
        default:
            // Sparse files and multi-volume archives give the entry another name or size than the other records.
            if key.hasPrefix("GNU.") || key == "SCHILY.realsize" {
                throw fault("'\(shown(key, limit: 80))' in an extended header is not supported")
            }
        }
    }

    private static func isDigits(_ bytes: ArraySlice<UInt8>) -> Bool {
        !bytes.isEmpty && bytes.allSatisfy { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
    }

    private static func text(_ key: String, _ value: ArraySlice<UInt8>, _ fault: (String) -> ArchiveError) throws
        -> String
    {
        guard !value.isEmpty, !value.contains(0), let text = String(validating: value, as: UTF8.self) else {
            throw fault("'\(key)' in an extended header is empty, holds NUL, or is not UTF-8")
        }
        return text
    }
}
