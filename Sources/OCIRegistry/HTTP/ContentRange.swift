/// The `Content-Range` of a part (RFC 9110, section 14.4).
struct ContentRange: Hashable, Sendable {
    /// The first byte and the last, counted from 0.
    let first: Int64
    let last: Int64
    /// The size of the whole; nil where the server does not say.
    let total: Int64?

    /// - Returns: nil unless there is exactly one field, of the form `bytes first-last/total`.
    init?(_ fields: [String]) {
        guard fields.count == 1, fields[0].hasPrefix("bytes ") else { return nil }
        let halves = fields[0].dropFirst("bytes ".count).split(separator: "/", omittingEmptySubsequences: false)
        guard halves.count == 2 else { return nil }
        let ends = halves[0].split(separator: "-", omittingEmptySubsequences: false)
        guard ends.count == 2, let first = ContentRange.number(ends[0]), let last = ContentRange.number(ends[1]),
            first <= last
        else { return nil }
        let total = ContentRange.number(halves[1])
        guard halves[1] == "*" || total != nil else { return nil }
        self.first = first
        self.last = last
        self.total = total
    }

    private static func number(_ text: Substring) -> Int64? {
        text.allSatisfy { $0.isASCII && $0.isNumber } ? Int64(text) : nil
    }
}
