import OCI

/// What a registry asks for before it answers: one challenge of a `WWW-Authenticate` header field
/// (RFC 9110, section 11.6.1).
struct Challenge: Hashable, Sendable {
    /// The longest header that is read, in characters.
    static let lengthLimit = 16 << 10

    /// Lower-case.
    var scheme: String
    /// Names are lower-case.
    var parameters: [String: String] = [:]

    /// All challenges of the header, in order.
    ///
    /// - Returns: nil if any of it is malformed: nothing is sent to a realm that was half understood.
    static func parse(_ fields: [String]) -> [Challenge]? {
        guard fields.reduce(0, { $0 + $1.utf8.count }) <= lengthLimit else { return nil }
        var challenges: [Challenge] = []
        for field in fields {
            var scanner = HeaderScanner(field)
            guard let found = parse(&scanner) else { return nil }
            challenges += found
        }
        return challenges
    }

    private static func parse(_ scanner: inout HeaderScanner) -> [Challenge]? {
        var challenges: [Challenge] = []
        while true {
            scanner.skip(" \t,")
            if scanner.isAtEnd { return challenges }
            guard let word = scanner.takeWord() else { return nil }
            scanner.skip(" \t")
            if scanner.peek == "=" {
                guard !challenges.isEmpty, let value = takeValue(&scanner) else { return nil }
                let old = challenges[challenges.count - 1].parameters.updateValue(value, forKey: word.lowercased())
                guard old == nil else { return nil }
            } else {
                challenges.append(Challenge(scheme: word.lowercased()))
                if scanner.isAtEnd || scanner.peek == "," { continue }
                guard takeFirst(&scanner, into: &challenges) else { return nil }
            }
            scanner.skip(" \t")
            guard scanner.isAtEnd || scanner.peek == "," else { return nil }
        }
    }

    /// What stands right behind a scheme: a parameter, or some text of the scheme's own that is passed over.
    private static func takeFirst(_ scanner: inout HeaderScanner, into challenges: inout [Challenge]) -> Bool {
        guard let word = scanner.takeWord() else { return false }
        scanner.skip(" \t")
        guard scanner.peek == "=" else { return true }
        guard let value = takeValue(&scanner) else { return false }
        challenges[challenges.count - 1].parameters[word.lowercased()] = value
        return true
    }

    private static func takeValue(_ scanner: inout HeaderScanner) -> String? {
        guard scanner.take("=") else { return nil }
        scanner.skip(" \t")
        return scanner.takeWord()
    }
}

extension HeaderScanner {
    /// A token or a quoted string. Tokens may hold what an unquoted URL holds.
    fileprivate mutating func takeWord() -> String? { takeQuoted() ?? takeToken(extra: "/:?@[]()") }
}
