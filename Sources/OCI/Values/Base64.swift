import NIOCore

/// Standard base64 with padding (RFC 4648, section 4), for inline content.
public enum Base64 {
    /// The bytes that `text` stands for, or nil if it is not base64.
    public static func decode(_ text: some StringProtocol) -> [UInt8]? {
        let input = Array(text.utf8)
        guard input.count % 4 == 0 else { return nil }
        let padding = input.reversed().prefix(2).prefix { $0 == UInt8(ascii: "=") }.count
        var bytes: [UInt8] = []
        bytes.reserveCapacity(input.count / 4 * 3)
        var bits: UInt32 = 0
        var held = 0
        for character in input.dropLast(padding) {
            guard let value = value(of: character) else { return nil }
            bits = bits << 6 | UInt32(value)
            held += 6
            if held >= 8 {
                held -= 8
                bytes.append(UInt8(truncatingIfNeeded: bits >> held))
            }
        }
        return bytes
    }

    public static func encode(_ bytes: some Sequence<UInt8>) -> String {
        let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
        var output: [UInt8] = []
        var bits: UInt32 = 0
        var held = 0
        for byte in bytes {
            bits = bits << 8 | UInt32(byte)
            held += 8
            while held >= 6 {
                held -= 6
                output.append(alphabet[Int(bits >> held & 63)])
            }
        }
        if held > 0 { output.append(alphabet[Int(bits << (6 - held) & 63)]) }
        while output.count % 4 != 0 { output.append(UInt8(ascii: "=")) }
        return String(decoding: output, as: UTF8.self)
    }

    private static func value(of character: UInt8) -> UInt8? {
        switch character {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"): character - UInt8(ascii: "A")
        case UInt8(ascii: "a")...UInt8(ascii: "z"): character - UInt8(ascii: "a") + 26
        case UInt8(ascii: "0")...UInt8(ascii: "9"): character - UInt8(ascii: "0") + 52
        case UInt8(ascii: "+"): 62
        case UInt8(ascii: "/"): 63
        default: nil
        }
    }

    static func check(_ data: String, against descriptor: Descriptor, in place: String) throws(OCIError) {
        guard let bytes = decode(data) else { throw .damaged("\(place).data is not base64") }
        guard Int64(bytes.count) == descriptor.size else {
            throw .damaged("\(place).data has \(bytes.count) bytes, want the descriptor's \(descriptor.size)")
        }
        let got = Digest(of: bytes, algorithm: descriptor.digest.algorithm)
        guard got == descriptor.digest else {
            throw .damaged("\(place).data has digest \(got), want \(descriptor.digest)")
        }
    }
}
