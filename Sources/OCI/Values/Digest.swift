/// A content address: an algorithm and the hash of the bytes that it names.
///
/// Image specification, descriptor.md, "Digests". sha256 and sha512 are supported; every other registered or
/// made-up algorithm is refused, since its content could not be verified. A sha256 digest is stored inline.
public struct Digest: Hashable, Sendable {
    public enum Algorithm: String, Sendable, Hashable, CaseIterable {
        case sha256, sha512

        /// The length of the hash in bytes.
        public var byteCount: Int { self == .sha256 ? 32 : 64 }
    }

    // Not inlined: the optimizer of Swift 6.3 crashes on the borrow in its callers ("found outside of lifetime").
    @inline(never) public var algorithm: Algorithm { rest == nil ? .sha256 : .sha512 }

    private let words: Words
    /// The second half of a sha512 hash. Those are rare, so that the space of a digest is that of a sha256 one.
    private let rest: Rest?

    // Plain words and not SIMD vectors: those want an alignment of 32, which async frames do not keep (Swift 6.3
    // then aborts with "freed pointer was not the last allocation").
    private struct Words: Hashable, Sendable {
        var a: UInt64 = 0, b: UInt64 = 0, c: UInt64 = 0, d: UInt64 = 0

        init(_ bytes: ArraySlice<UInt8>) {
            withUnsafeMutableBytes(of: &self) { $0.copyBytes(from: bytes) }
        }

        /// The order of the bytes.
        static func < (x: Words, y: Words) -> Bool {
            (UInt64(bigEndian: x.a), UInt64(bigEndian: x.b), UInt64(bigEndian: x.c), UInt64(bigEndian: x.d))
                < (UInt64(bigEndian: y.a), UInt64(bigEndian: y.b), UInt64(bigEndian: y.c), UInt64(bigEndian: y.d))
        }
    }

    private final class Rest: Sendable {
        let words: Words

        init(_ words: Words) {
            self.words = words
        }
    }

    public static func == (a: Digest, b: Digest) -> Bool {
        a.words == b.words && (a.rest === b.rest || a.rest?.words == b.rest?.words)
    }

    public func hash(into hasher: inout Hasher) {
        hasher.combine(words.a)
        hasher.combine(words.b)
    }

    /// A digest from the raw hash.
    ///
    /// - Precondition: `bytes` has as many elements as the algorithm's hash; every caller has just computed it.
    init(algorithm: Algorithm, bytes: some Sequence<UInt8>) {
        let bytes = [UInt8](bytes)
        words = Words(bytes.prefix(32))
        rest = algorithm == .sha512 ? Rest(Words(bytes.dropFirst(32))) : nil
    }

    /// Reads `sha256:<64 lower-case hex digits>` or `sha512:<128 …>`.
    ///
    /// - Throws: `OCIError` of kind `.damaged` for text that is no digest, `.policy` for a well-formed one of an
    ///   algorithm that is not supported.
    public init(parsing text: some StringProtocol) throws(OCIError) {
        // Nearly all there are, and records have hundreds of thousands of them.
        if let bytes = text.utf8.withContiguousStorageIfAvailable(Digest.sha256Bytes) ?? nil {
            self.init(algorithm: .sha256, bytes: bytes)
            return
        }
        let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
        guard parts.count == 2, Digest.isAlgorithm(parts[0]), Digest.isEncoded(parts[1]) else {
            throw .damaged("'\(shown(text, limit: 200))' is not a digest, want algorithm:hex")
        }
        guard let algorithm = Algorithm(rawValue: String(parts[0])) else {
            throw .policy(
                "the digest algorithm of '\(shown(text, limit: 200))' is not supported, want sha256 or sha512")
        }
        guard parts[1].utf8.count == algorithm.byteCount * 2, let bytes = Digest.bytes(hex: parts[1].utf8) else {
            throw .damaged(
                "'\(shown(text, limit: 200))' is not a digest, want \(algorithm.byteCount * 2) lower-case hex digits")
        }
        self.init(algorithm: algorithm, bytes: bytes)
    }

    /// The raw hash.
    public var bytes: [UInt8] {
        withUnsafeBytes(of: words) { Array($0) } + (rest.map { withUnsafeBytes(of: $0.words) { Array($0) } } ?? [])
    }

    /// The first 128 bits of the hash, in the order of its bytes.
    public var stem: (high: UInt64, low: UInt64) { (UInt64(bigEndian: words.a), UInt64(bigEndian: words.b)) }

    /// The hash in lower-case hex.
    public var hex: String {
        let half = Digest.hex(words)
        return rest.map { half + Digest.hex($0.words) } ?? half
    }

    private static func hex(_ words: Words) -> String {
        let count = MemoryLayout<Words>.size
        return String(unsafeUninitializedCapacity: count * 2) { output in
            withUnsafeBytes(of: words) { raw in
                for index in 0..<count {
                    output[2 * index] = hexDigits[Int(raw[index] >> 4)]
                    output[2 * index + 1] = hexDigits[Int(raw[index] & 15)]
                }
            }
            return count * 2
        }
    }

    /// The first twelve hex digits, for messages in which the whole would not be read.
    public var short: String { algorithm.rawValue + ":" + hex.prefix(12) }

    private static func isAlgorithm(_ text: some StringProtocol) -> Bool {
        var afterSeparator = true
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"): afterSeparator = false
            case UInt8(ascii: "+"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "-"):
                if afterSeparator { return false }
                afterSeparator = true
            default: return false
            }
        }
        return !afterSeparator
    }

    private static func isEncoded(_ text: some StringProtocol) -> Bool {
        !text.isEmpty
            && text.utf8.allSatisfy {
                switch $0 {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                    UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "="), UInt8(ascii: "_"), UInt8(ascii: "-"):
                    true
                default: false
                }
            }
    }

    /// The hash, if this is `sha256:` and 64 digits; nil for anything else, right or wrong.
    private static func sha256Bytes(_ text: UnsafeBufferPointer<UInt8>) -> [UInt8]? {
        let prefix: StaticString = "sha256:"
        guard text.count == prefix.utf8CodeUnitCount + 64,
            text.starts(with: UnsafeBufferPointer(start: prefix.utf8Start, count: prefix.utf8CodeUnitCount))
        else { return nil }
        return bytes(hex: text.dropFirst(prefix.utf8CodeUnitCount))
    }

    private static func bytes(hex: some Collection<UInt8>) -> [UInt8]? {
        var result: [UInt8] = []
        result.reserveCapacity(hex.count / 2)
        var high: UInt8?
        for character in hex {
            let nibble: UInt8
            switch character {
            case UInt8(ascii: "0")...UInt8(ascii: "9"): nibble = character - UInt8(ascii: "0")
            case UInt8(ascii: "a")...UInt8(ascii: "f"): nibble = character - UInt8(ascii: "a") + 10
            default: return nil
            }
            if let first = high {
                result.append(first << 4 | nibble)
                high = nil
            } else {
                high = nibble
            }
        }
        return high == nil ? result : nil
    }
}

private let hexDigits = Array("0123456789abcdef".utf8)

extension Digest: CustomStringConvertible {
    public var description: String { algorithm.rawValue + ":" + hex }
}

extension Digest: Comparable {
    /// The order of the written forms.
    public static func < (a: Digest, b: Digest) -> Bool {
        guard a.algorithm == b.algorithm else { return a.algorithm.rawValue < b.algorithm.rawValue }
        if a.words != b.words { return a.words < b.words }
        guard let left = a.rest?.words, let right = b.rest?.words else { return false }
        return left < right
    }
}
