/// What part of a blob a request asks for (RFC 9110, section 14).
enum ByteRange: Hashable {
    case whole
    case part(Range<Int64>)
    case unsatisfiable

    /// - Parameter header: the `Range` field. More than one range, other units and what does not parse ask for the
    ///   whole, as the RFC allows.
    init(_ header: String?, size: Int64) {
        guard let header, header.hasPrefix("bytes="), !header.contains(",") else {
            self = .whole
            return
        }
        let ends = header.dropFirst("bytes=".count).split(
            separator: "-", maxSplits: 1, omittingEmptySubsequences: false)
        guard ends.count == 2 else {
            self = .whole
            return
        }
        switch (ByteRange.number(ends[0]), ByteRange.number(ends[1])) {
        case (let first?, let last?) where first <= last: self = .from(first, to: last, of: size)
        case (let first?, nil) where ends[1].isEmpty: self = .from(first, to: .max, of: size)
        case (nil, let count?) where ends[0].isEmpty:
            self = count == 0 || size == 0 ? .unsatisfiable : .part(max(0, size - count)..<size)
        default: self = .whole
        }
    }

    private static func from(_ first: Int64, to last: Int64, of size: Int64) -> ByteRange {
        first < size ? .part(first..<(min(last, size - 1) + 1)) : .unsatisfiable
    }

    static func number(_ text: some StringProtocol) -> Int64? {
        guard !text.isEmpty, text.utf8.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }) else {
            return nil
        }
        return Int64(text)
    }
}

/// Where a chunk of an upload belongs, `first-last` (distribution specification, "Pushing a blob in chunks").
struct ChunkRange: Hashable {
    let first: Int64
    let last: Int64

    init?(_ header: String) {
        var text = header[...]
        if text.hasPrefix("bytes ") { text = text.dropFirst("bytes ".count) }
        if let slash = text.firstIndex(of: "/") { text = text[..<slash] }
        let ends = text.split(separator: "-", maxSplits: 1, omittingEmptySubsequences: false)
        guard ends.count == 2, let first = ByteRange.number(ends[0]), let last = ByteRange.number(ends[1]),
            first <= last
        else { return nil }
        self.first = first
        self.last = last
    }
}
