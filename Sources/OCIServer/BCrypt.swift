import Glibc
import OCI

/// Password hashes of the form `$2y$…`, checked by this machine's libcrypt.
///
/// The library is opened when it is needed first: a program that checks no passwords needs none of it, and its name
/// differs from one distribution to the next.
struct BCrypt: Sendable {
    /// The highest cost that is accepted; each step doubles the time, and 16 takes some seconds.
    static let costLimit = 16
    /// Bytes of a password that count; bcrypt looks at no more.
    static let passwordLimit = 72

    private typealias Function =
        @convention(c) (
            _ phrase: UnsafePointer<CChar>, _ setting: UnsafePointer<CChar>, _ data: UnsafeMutableRawPointer,
            _ size: CInt
        ) -> UnsafeMutablePointer<CChar>?

    /// Large enough for the working memory of any libcrypt (crypt(3), `struct crypt_data`).
    private static let workSize = 256 << 10
    /// Some hash of the least cost, to see whether the library knows the form.
    private static let sample = "$2y$04$abcdefghijklmnopqrstuu"

    private let function: Function

    /// - Throws: `ServerError` `.local` where libcrypt is missing or knows no bcrypt.
    init() throws(ServerError) {
        let library = dlopen("libcrypt.so.1", RTLD_NOW) ?? dlopen("libcrypt.so.2", RTLD_NOW)
        guard let library, let symbol = dlsym(library, "crypt_rn") else {
            throw BCrypt.unavailable("there is no libcrypt with crypt_rn")
        }
        function = unsafeBitCast(symbol, to: Function.self)
        guard hash("sample", BCrypt.sample)?.starts(with: BCrypt.sample.utf8.dropLast()) == true else {
            throw BCrypt.unavailable("libcrypt of this machine does not know it")
        }
    }

    private static func unavailable(_ reason: String) -> ServerError {
        ServerError(.local, "bcrypt passwords cannot be checked: \(reason)", advice: "install libxcrypt (libcrypt1)")
    }

    /// Whether a password has this hash. Takes the time that the hash's cost says, whatever the answer.
    func verify(_ password: String, against expected: String) -> Bool {
        guard let got = hash(password, expected) else { return false }
        let want = Array(expected.utf8)
        guard got.count == want.count else { return false }
        return zip(got, want).reduce(UInt8(0)) { $0 | ($1.0 ^ $1.1) } == 0
    }

    private func hash(_ password: String, _ setting: String) -> [UInt8]? {
        withUnsafeTemporaryAllocation(byteCount: BCrypt.workSize, alignment: 64) { work in
            work.initializeMemory(as: UInt8.self, repeating: 0)
            guard let base = work.baseAddress, let result = function(password, setting, base, CInt(work.count)) else {
                return nil
            }
            return Array(String(cString: result).utf8)
        }
    }

    /// The cost of a hash; nil for text that is no bcrypt hash.
    static func cost(of hash: some StringProtocol) -> Int? {
        let bytes = Array(hash.utf8)
        let letters = Set("./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789".utf8)
        guard bytes.count == 60, ["$2a$", "$2b$", "$2y$"].contains(String(hash.prefix(4))),
            bytes[6] == UInt8(ascii: "$"), bytes[7...].allSatisfy(letters.contains),
            let cost = Int(hash.dropFirst(4).prefix(2)), cost >= 4
        else { return nil }
        return cost
    }
}
