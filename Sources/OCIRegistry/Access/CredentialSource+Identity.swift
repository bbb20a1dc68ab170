import Glibc
import OCI

extension CredentialSource {
    /// Who asks, as far as it can be told without asking anybody: equal for those who share what the registry allows them.
    ///
    /// Holds no secret: of a token it says only that it is one.
    ///
    /// - Parameter registry: its name, `docker.io` for Docker Hub.
    func identity(at registry: String) -> String {
        switch self {
        case .anonymous: Credential.nobody
        case .fixed(let credential): credential.identity
        case .command(let words): "command \(words)"
        case .azure(let variables): "azure \(variables["AZURE_CLIENT_ID"] ?? "")"
        case .lookup: "somebody"
        case .docker:
            CredentialSource.dockerIdentity(
                registry, in: DockerLogins.paths { name in getenv(name).map { String(cString: $0) } })
        }
    }

    static func dockerIdentity(_ registry: String, in paths: [String]) -> String {
        for path in paths {
            do {
                guard let bytes = try LoginFile.read(path, upTo: DockerConfig.sizeLimit) else { continue }
                switch try DockerConfig(parsing: bytes, path: path).login(to: registry, nil) {
                case .credential(let credential)?: return credential.identity
                case .helper(let name, let server)?: return "helper \(name) for \(server)"
                case nil: continue
                }
            } catch {
                // Whoever logs in is told.
                return "\(path) is not read"
            }
        }
        return Credential.nobody
    }
}

extension Credential {
    fileprivate static let nobody = "nobody"

    fileprivate var identity: String {
        switch self {
        case .password(let username, _): "user \(username)"
        case .identityToken, .registryToken: "token"
        }
    }
}
