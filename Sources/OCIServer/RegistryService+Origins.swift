import HTTPTypes
import OCI

extension RegistryService {
    /// The repository that a request means, in a store that knows where its images came from.
    ///
    /// containerd says which registry it asked for in `?ns=` (its docs/hosts.md, "Registry Host Namespace"). Clients
    /// that cannot write the registry before the repository, a port's colon as `_`: `/v2/quay.io/team/app/…`. A
    /// repository that is called so comes before one that is meant so.
    func source(_ name: RepositoryName, _ query: RegistryQuery) async throws -> any ImageSource {
        guard let store = store as? any RegistryScopedStore else { return try await store.source(name) }
        if let origin = query["ns"], !origin.isEmpty {
            return try await source(name, of: Reference.canonical(registry: origin), in: store)
        }
        if let (origin, rest) = try await origin(in: name, of: store),
            try await !store.repositories().contains(name)
        {
            return try await store.source(rest, of: origin)
        }
        return try await store.source(name, of: nil)
    }

    /// The repository that a request that writes means, where images of several registries are kept apart; as `source`.
    func target(
        _ name: RepositoryName, _ query: RegistryQuery, in target: any TargetStore
    ) async throws -> any ImageTarget {
        guard let target = target as? any RegistryScopedTarget, let store = store as? any RegistryScopedStore else {
            return try await target.target(name)
        }
        if let origin = query["ns"], !origin.isEmpty {
            return try await target.target(name, of: Reference.canonical(registry: origin))
        }
        if let (origin, rest) = try await origin(in: name, of: store),
            try await !store.repositories().contains(name)
        {
            return try await target.target(rest, of: origin)
        }
        return try await target.target(name, of: nil)
    }

    /// A repository of a registry, also where the store holds a part of that registry and calls its images by the rest
    /// of their names.
    private func source(
        _ name: RepositoryName, of registry: String, in store: any RegistryScopedStore
    ) async throws -> any ImageSource {
        do {
            return try await store.source(name, of: registry)
        } catch let error as any Failure where error.kind == .notFound {
            let whole = "\(registry)/\(name)"
            for part in try await store.registries().sorted(by: >)
            where part.hasPrefix(registry + "/") && whole.hasPrefix(part + "/") {
                let rest = try RepositoryName(whole.dropFirst(part.count + 1))
                do {
                    return try await store.source(rest, of: part)
                } catch let error as any Failure where error.kind == .notFound {
                    continue
                }
            }
            throw error
        }
    }

    private func origin(
        in name: RepositoryName, of store: any RegistryScopedStore
    ) async throws -> (registry: String, repository: RepositoryName)? {
        guard let slash = name.description.firstIndex(of: "/") else { return nil }
        let first = name.description[..<slash]
        guard first.contains(".") || first.contains("_") || first == "localhost",
            // Of a registry and a part of it the part: it says more.
            let origin = try await store.registries().sorted(by: >)
                .first(where: { name.description.hasPrefix($0.asPathPart + "/") })
        else { return nil }
        return (origin, try RepositoryName(name.description.dropFirst(origin.asPathPart.utf8.count + 1)))
    }
}

extension String {
    /// A registry as the first part of a repository's path, where no colon may stand.
    var asPathPart: String { String(map { $0 == ":" ? "_" : $0 }).lowercased() }
}

extension RegistryRoute {
    /// What a reader asked for that is not there, for people; nil if nothing is missed by it.
    ///
    /// A client that pushes looks for blobs first, so only their reading counts.
    func missing(_ query: RegistryQuery, _ method: HTTPRequest.Method) -> String? {
        guard method == .get || method == .head else { return nil }
        let origin = query["ns"].map { shown($0, limit: 300) + "/" } ?? ""
        switch self {
        case .manifest(let name, .tag(let tag)): return "\(origin)\(name):\(tag)"
        case .manifest(let name, .digest(let digest)): return "\(origin)\(name)@\(digest)"
        case .blob(let name, let digest) where method == .get: return "\(origin)\(name)@\(digest)"
        default: return nil
        }
    }
}
