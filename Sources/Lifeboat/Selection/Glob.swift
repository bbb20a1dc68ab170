/// A pattern for names: `*` stands for anything within one part, `**` for anything at all, `?` for one character.
///
/// Everything else stands for itself. Matching takes time proportional to pattern × name.
public struct Glob: Hashable, Sendable, CustomStringConvertible {
    public let description: String
    private let tokens: [Token]

    private enum Token: Hashable, Sendable {
        case literal(UInt8)
        case one
        case anyInPart
        case anything
    }

    public init(_ pattern: some StringProtocol) {
        description = String(pattern)
        var tokens: [Token] = []
        var rest = Array(pattern.utf8)[...]
        while let byte = rest.popFirst() {
            switch byte {
            case UInt8(ascii: "*") where rest.first == UInt8(ascii: "*"):
                while rest.first == UInt8(ascii: "*") { rest.removeFirst() }
                tokens.append(.anything)
            case UInt8(ascii: "*"): tokens.append(.anyInPart)
            case UInt8(ascii: "?"): tokens.append(.one)
            default: tokens.append(.literal(byte))
            }
        }
        self.tokens = tokens
    }

    /// Whether the pattern can only mean one name.
    public var isLiteral: Bool {
        tokens.allSatisfy { if case .literal = $0 { true } else { false } }
    }

    public func matches(_ name: some StringProtocol) -> Bool {
        let slash = UInt8(ascii: "/")
        let name = Array(name.utf8)
        // reachable[i]: the tokens so far can match the first i bytes.
        var reachable = [Bool](repeating: false, count: name.count + 1)
        reachable[0] = true
        for token in tokens {
            var next = [Bool](repeating: false, count: name.count + 1)
            switch token {
            case .literal(let byte):
                for (index, current) in name.enumerated() where reachable[index] && current == byte {
                    next[index + 1] = true
                }
            case .one:
                for (index, current) in name.enumerated() where reachable[index] && current != slash {
                    next[index + 1] = true
                }
            case .anyInPart, .anything:
                var carries = false
                for index in 0...name.count {
                    if index > 0, token == .anyInPart, name[index - 1] == slash { carries = false }
                    carries = carries || reachable[index]
                    next[index] = carries
                }
            }
            reachable = next
        }
        return reachable[name.count]
    }
}
