import OCI

/// Which blobs of a set are needed: 16 bytes and a bit for each blob, however many backups need it.
///
/// It goes by the first 128 bits of each hash. Two blobs with the same ones, if somebody could make them, would at worst
/// both be kept.
struct NeededBlobs {
    private struct Key: Hashable, Comparable {
        var high: UInt64
        var low: UInt64

        static func < (a: Key, b: Key) -> Bool { a.high == b.high ? a.low < b.low : a.high < b.high }
    }

    private var keys: [Key] = []
    /// A bit a key, in the order of the sorted keys.
    private var needed: [UInt64] = []

    var count: Int { keys.count }

    /// Takes the names of blobs, and says which of them are none.
    ///
    /// - Precondition: `sort` was not called yet.
    mutating func add(_ names: [String], of algorithm: Digest.Algorithm) -> [String] {
        var others: [String] = []
        for name in names {
            if let key = NeededBlobs.key(of: name, algorithm) { keys.append(key) } else { others.append(name) }
        }
        return others
    }

    mutating func sort() {
        keys.sort()
        needed = [UInt64](repeating: 0, count: keys.count / 64 + 1)
    }

    /// - Returns: whether the set has it.
    @discardableResult
    mutating func mark(_ digest: Digest) -> Bool {
        let (high, low) = digest.stem
        let key = Key(high: high, low: low)
        var index = first(key)
        let isKnown = index < keys.count && keys[index] == key
        while index < keys.count, keys[index] == key {
            needed[index / 64] |= 1 << UInt64(index % 64)
            index += 1
        }
        return isKnown
    }

    enum Need {
        case needed
        case unneeded
        /// It is no blob, or came after the listing.
        case unknown
    }

    func need(of name: String, _ algorithm: Digest.Algorithm) -> Need {
        guard let key = NeededBlobs.key(of: name, algorithm) else { return .unknown }
        let index = first(key)
        guard index < keys.count, keys[index] == key else { return .unknown }
        return needed[index / 64] >> UInt64(index % 64) & 1 == 1 ? .needed : .unneeded
    }

    /// The first of the equal keys: a blob can lie in two places.
    private func first(_ key: Key) -> Int {
        var low = 0
        var high = keys.count
        while low < high {
            let middle = (low + high) / 2
            if keys[middle] < key { low = middle + 1 } else { high = middle }
        }
        return low
    }

    /// Nil for a name that is no hash of the algorithm in lower-case hex.
    private static func key(of name: String, _ algorithm: Digest.Algorithm) -> Key? {
        var key = Key(high: 0, low: 0)
        var count = 0
        for byte in name.utf8 {
            let digit: UInt64
            switch byte {
            case UInt8(ascii: "0")...UInt8(ascii: "9"): digit = UInt64(byte - UInt8(ascii: "0"))
            case UInt8(ascii: "a")...UInt8(ascii: "f"): digit = UInt64(byte - UInt8(ascii: "a")) + 10
            default: return nil
            }
            if count < 16 { key.high = key.high << 4 | digit } else if count < 32 { key.low = key.low << 4 | digit }
            count += 1
        }
        return count == algorithm.byteCount * 2 ? key : nil
    }

    private static func word(_ bytes: ArraySlice<UInt8>) -> UInt64 { bytes.reduce(0) { $0 << 8 | UInt64($1) } }
}
