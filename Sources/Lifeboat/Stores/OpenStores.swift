import Logging
import OCI
import OCIArchive
import OCIRegistry

/// The stores of one step, each opened once and closed together.
actor OpenStores {
    private let environment: RunEnvironment
    private var registries: [String: Registry] = [:]
    private var files: [StoreDefinition: any SourceStore] = [:]

    init(_ environment: RunEnvironment) {
        self.environment = environment
    }

    func source(_ definition: StoreDefinition) async throws -> any SourceStore {
        switch definition {
        case .registry(let host, _): return try registry(host)
        case .archive(let path):
            if let known = files[definition] { return known }
            let opened = try await openArchive(path, environment.archiveOpening)
            files[definition] = opened
            return opened
        case .layout(let path):
            if let known = files[definition] { return known }
            let opened = try await Layout.open(
                path, defaultRepository: environment.defaultRepository, surroundings: environment.surroundings,
                files: environment.fileSystem)
            files[definition] = opened
            return opened
        }
    }

    /// - Parameters:
    ///   - replacesFile: whether a file that holds something else may be replaced.
    ///   - origin: the registry that the images come from, if it is one.
    func target(_ definition: StoreDefinition, replacesFile: Bool, origin: String?) async throws -> any TargetStore {
        switch definition {
        case .registry(let host, _): try registry(host)
        case .archive(let path):
            try ArchiveTarget(path: path, fileSystem: environment.fileSystem, replace: replacesFile)
        case .layout(let path):
            try await Layout.create(
                path, defaultRepository: environment.defaultRepository, registry: origin, gathering: true,
                surroundings: environment.surroundings, files: environment.fileSystem)
        }
    }

    private func registry(_ host: String) throws -> Registry {
        if let known = registries[host] { return known }
        var options = environment.registries
        if environment.plainHTTPHosts.contains(host) { options.plainHTTP = true }
        let opened = try Registry(
            host: host, options: options, surroundings: environment.surroundings, logger: environment.logger)
        registries[host] = opened
        return opened
    }

    /// Requests by kind, all registries together.
    func requestCounts() async -> [String: Int] {
        var counts: [String: Int] = [:]
        for registry in registries.values {
            for (kind, number) in registry.requestCounts() { counts[kind.rawValue, default: 0] += number }
        }
        return counts
    }

    fileprivate func close() async throws {
        for registry in registries.values { try await registry.shutdown() }
        registries = [:]
    }

    /// What went wrong first is what the reader has to know; a connection that does not close adds nothing to it.
    fileprivate func closeAfter(_ error: any Error) async {
        do {
            try await close()
        } catch let second {
            environment.logger.debug("closing after '\(error)': \(second)")
        }
    }
}

/// Runs `body` with stores that are closed behind it, whatever happens.
func withStores<R: Sendable>(
    _ environment: RunEnvironment, _ body: @Sendable (OpenStores) async throws -> R
) async throws -> R {
    let stores = OpenStores(environment)
    let result: R
    do {
        result = try await body(stores)
    } catch {
        await stores.closeAfter(error)
        throw error
    }
    try await stores.close()
    return result
}

extension RunEnvironment {
    var archiveOpening: ArchiveOpening {
        ArchiveOpening(
            fileSystem: fileSystem, workFolder: workFolder, defaultRepository: defaultRepository,
            docker: DockerArchive.open)
    }
}
