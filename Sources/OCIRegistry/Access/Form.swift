import NIOCore
import NIOHTTP1
import OCI

/// Parameters as they stand in a query or a form (`application/x-www-form-urlencoded`).
enum Form {
    static func text(_ parameters: [(String, String)]) -> String {
        parameters.map { $0.0 + "=" + escaped($0.1) }.joined(separator: "&")
    }

    private static func escaped(_ text: String) -> String {
        var result = ""
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"),
                UInt8(ascii: "/"), UInt8(ascii: ":"), UInt8(ascii: ","):
                result.unicodeScalars.append(Unicode.Scalar(byte))
            default:
                let hex = String(byte, radix: 16, uppercase: true)
                result += "%" + (hex.count < 2 ? "0" : "") + hex
            }
        }
        return result
    }
}

extension Request {
    /// A form sent to a token service.
    static func form(_ address: WebAddress, _ parameters: [(String, String)], what: String) -> Request {
        var request = Request(.token, .POST, address, access: nil, what: what)
        request.headers.add(name: "Content-Type", value: "application/x-www-form-urlencoded")
        request.body = ByteBuffer(string: Form.text(parameters))
        request.bodyLimit = Token.answerLimit
        return request
    }
}
