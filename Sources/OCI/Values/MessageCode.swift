import Crypto

/// HMAC with SHA-256 over a message (RFC 2104): who has the key can tell that the message is of someone who has it too.
///
/// - Returns: 64 lower-case hex digits.
public func messageCode(of message: [UInt8], key: [UInt8]) -> String {
    let code = HMAC<SHA256>.authenticationCode(for: message, using: SymmetricKey(data: key))
    var digits = ""
    for byte in code { digits += (byte < 16 ? "0" : "") + String(byte, radix: 16) }
    return digits
}
