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
            guard let bytes = try await NIOThreadPool.singleton.runIfActive({ try read(path) }) else { continue }
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

    /// - Returns: nil if there is no such file.
    private static func read(_ path: String) throws(RegistryError) -> [UInt8]? {
        guard let file = fopen(path, "rbe") else {
            if errno == ENOENT || errno == ENOTDIR { return nil }
            throw unreadable(path, String(cString: strerror(errno)))
        }
        defer { fclose(file) }
        var bytes = [UInt8](repeating: 0, count: DockerConfig.sizeLimit + 1)
        let count = bytes.withUnsafeMutableBytes { fread($0.baseAddress, 1, $0.count, file) }
        guard ferror(file) == 0 else { throw unreadable(path, String(cString: strerror(errno))) }
        guard count <= DockerConfig.sizeLimit else {
            throw unreadable(path, "it is larger than \(DockerConfig.sizeLimit) bytes")
        }
        return Array(bytes.prefix(count))
    }

    private static func unreadable(_ path: String, _ reason: String) -> RegistryError {
        RegistryError(.auth, "the logins in \(shown(path)) cannot be read: \(reason)")
    }
}
