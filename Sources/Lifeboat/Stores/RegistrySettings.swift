import NIOCore
import OCI
import OCIArchive
import OCIRegistry

/// How a definition wants one registry to be spoken to; what is nil is as it is for all.
public struct RegistrySettings: Sendable, Hashable {
    public enum Credentials: Sendable, Hashable {
        case docker
        case anonymous
        case password(username: String, Password)
        /// The password is what the file holds, without the line's end.
        case passwordFile(username: String, path: String)
        /// What a program prints, in the words of docker's credential helpers.
        case command([String])
        /// An identity of Microsoft Entra, by the variables that Azure's own clients read.
        case azure
    }

    /// A password that no message can show.
    public struct Password: Sendable, Hashable, CustomStringConvertible, CustomReflectable {
        let text: String

        public init(_ text: String) {
            self.text = text
        }

        public var description: String { "(password)" }
        public var customMirror: Mirror { Mirror(self, children: []) }
    }

    public var credentials: Credentials?
    public var plainHTTP: Bool?
    /// PEM certificates that are trusted too.
    public var caFile: String?
    /// What is shown to the registry: PEM files.
    public var certificateFile: String?
    public var keyFile: String?
    public var verifiesTLS: Bool?
    /// Registries to read from first what is asked for by digest.
    public var mirrors: [RegistryMirror] = []
    public var listing: TagListing?
    public var connections: Int?
    public var requestsPerSecond: Double?
    public var bytesPerSecond: Int64?
    public var connectTimeout: Duration?
    /// For the head of an answer.
    public var answerTimeout: Duration?
    /// For a body that no longer moves.
    public var idleTimeout: Duration?
    /// Tries in all of what fails for the moment.
    public var attempts: Int?
    /// The program that makes a repository which is not there, with its arguments; nil where none is needed.
    public var createRepositories: [String]?

    public init() {}
}

/// A registry that may have what another one has, and what stands there before each repository's name.
public struct RegistryMirror: Sendable, Hashable {
    public var host: String
    /// Empty for nothing.
    public var prefix: String

    public init(host: String, prefix: String) {
        self.host = host
        self.prefix = prefix
    }
}

extension RegistrySettings {
    /// The longest password file that is read.
    static let passwordFileLimit = 64 << 10

    /// The options of the run with these settings in place of theirs.
    ///
    /// - Parameter variables: the process's environment.
    func applied(to options: RegistryOptions, files: any FileSystem, variables: [String: String] = [:])
        -> RegistryOptions
    {
        var options = options
        if let source = credentials.map({ $0.source(files, variables) }) { options.credentials = source }
        if case .passwordFile(let username, _)? = credentials { options.identity = "user \(username)" }
        options.plainHTTP = plainHTTP ?? options.plainHTTP
        options.tls.caFile = caFile ?? options.tls.caFile
        options.tls.certificateFile = certificateFile ?? options.tls.certificateFile
        options.tls.keyFile = keyFile ?? options.tls.keyFile
        options.tls.verify = verifiesTLS ?? options.tls.verify
        options.listing = listing ?? options.listing
        options.connections = connections ?? options.connections
        options.requestsPerSecond = requestsPerSecond ?? options.requestsPerSecond
        options.bytesPerSecond = bytesPerSecond ?? options.bytesPerSecond
        options.connectTimeout = connectTimeout ?? options.connectTimeout
        options.headerTimeout = answerTimeout ?? options.headerTimeout
        options.idleTimeout = idleTimeout ?? options.idleTimeout
        options.retry.attempts = attempts ?? options.retry.attempts
        return options
    }
}

extension RegistrySettings.Credentials {
    fileprivate func source(_ files: any FileSystem, _ variables: [String: String]) -> CredentialSource {
        switch self {
        case .docker: .docker
        case .anonymous: .anonymous
        case .password(let username, let password):
            .fixed(.password(username: username, password: password.text))
        case .passwordFile(let username, let path):
            .lookup { _, _ in
                .password(username: username, password: try await RegistrySettings.password(in: path, files))
            }
        case .command(let words): .command(words)
        case .azure: .azure(variables: variables)
        }
    }
}

extension RegistrySettings {
    /// - Throws: `LifeboatError` `.auth` for a file that holds no password, `FileError`.
    fileprivate static func password(in path: String, _ files: any FileSystem) async throws -> String {
        let bytes = Array(try await files.read(path, upTo: passwordFileLimit + 1).readableBytesView)
        guard bytes.count <= passwordFileLimit, var text = String(validating: bytes, as: UTF8.self) else {
            throw LifeboatError(
                .auth, "the password file \(shown(path, limit: 1000)) is not text of at most \(passwordFileLimit) bytes"
            )
        }
        if text.hasSuffix("\r\n") || text.hasSuffix("\n") { text.removeLast() }
        guard !text.isEmpty else {
            throw LifeboatError(.auth, "the password file \(shown(path, limit: 1000)) is empty")
        }
        return text
    }
}
