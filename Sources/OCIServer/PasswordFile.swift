import OCI

/// Who may ask a server, as `htpasswd -B` writes it: a line `name:hash` each, bcrypt only.
///
/// The older forms of htpasswd (apr1, SHA-1, DES) can be guessed by the billion a second, and are refused.
public struct PasswordFile: Sendable {
    /// The largest file that is read, in bytes.
    public static let sizeLimit = 1 << 20

    /// The hash of each name.
    let hashes: [String: String]
    /// A hash that is checked where there is no such name, so that the time does not tell.
    let decoy: String

    /// - Parameter file: how messages call it; lines are never quoted in them.
    /// - Throws: `ServerError` `.policy` that names the line.
    public init(parsing text: String, file: String) throws(ServerError) {
        var hashes: [String: String] = [:]
        for (number, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
            let line = line.hasSuffix("\r") ? line.dropLast() : line
            guard !line.allSatisfy(\.isWhitespace), !line.hasPrefix("#") else { continue }
            func fault(_ reason: String) -> ServerError {
                ServerError(
                    .policy, "\(shown(file, limit: 1000)):\(number + 1): \(reason)",
                    advice: "write the line with: htpasswd -B -b FILE NAME PASSWORD")
            }
            guard let colon = line.firstIndex(of: ":"), colon > line.startIndex else {
                throw fault("want a name, a colon and a bcrypt hash")
            }
            let hash = line[line.index(after: colon)...]
            guard let cost = BCrypt.cost(of: hash) else { throw fault("the hash is not bcrypt") }
            guard cost <= BCrypt.costLimit else {
                throw fault("the hash has cost \(cost), the limit is \(BCrypt.costLimit)")
            }
            guard hashes.updateValue(String(hash), forKey: String(line[..<colon])) == nil else {
                throw fault("the name is there twice")
            }
        }
        guard let decoy = hashes.values.max(by: { (BCrypt.cost(of: $0) ?? 0) < (BCrypt.cost(of: $1) ?? 0) }) else {
            throw ServerError(
                .policy, "\(shown(file, limit: 1000)) has no names in it: nobody could log in",
                advice: "htpasswd -B -c FILE NAME")
        }
        self.hashes = hashes
        self.decoy = decoy
    }
}
