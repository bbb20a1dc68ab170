import Glibc
import NIOPosix
import OCI

/// What docker and podman on this machine are logged in to.
enum DockerLogins {
    static func find(_ registry: String, _ repository: RepositoryName?) async throws -> Credential? {
        try await find(registry, repository, in: paths { name in getenv(name).map { String(cString: $0) } })
    }

    static func find(_ registry: String, _ repository: RepositoryName?, in paths: [String]) async throws -> Credential?
    {
        for path in paths {
            guard
                let bytes = try await NIOThreadPool.singleton.runIfActive({
                    try LoginFile.read(path, upTo: DockerConfig.sizeLimit)
                })
            else { continue }
            switch try DockerConfig(parsing: bytes, path: path).login(to: registry, repository) {
            case .credential(let credential)?: return credential
            case .helper(let name, let server)?:
                if let credential = try await CredentialHelper(name: name).credential(for: server) { return credential }
            case nil: continue
            }
        }
        return nil
    }

    /// Where logins are kept, the first that knows the registry counts.
    static func paths(_ environment: (String) -> String?) -> [String] {
        func value(_ name: String) -> String? { environment(name).flatMap { $0.isEmpty ? nil : $0 } }
        return [
            value("REGISTRY_AUTH_FILE"),
            (value("DOCKER_CONFIG") ?? value("HOME").map { $0 + "/.docker" }).map { $0 + "/config.json" },
            value("XDG_RUNTIME_DIR").map { $0 + "/containers/auth.json" },
            value("HOME").map { $0 + "/.config/containers/auth.json" },
        ].compactMap { $0 }
    }
}
