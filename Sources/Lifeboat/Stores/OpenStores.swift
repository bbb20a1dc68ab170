import Logging
import OCI
import OCIArchive
import OCIRegistry

/// The stores of one step, each opened once and closed together.
actor OpenStores {
    private let environment: RunEnvironment
    private var registries: [RegistryKey: Registry] = [:]
    private var files: [StoreDefinition: any SourceStore] = [:]
    /// What there is to say of backups that were not named by their ids.
    private var choices: [String] = []

    /// What tells two connections to registries apart: one host has one budget, unless its stores want otherwise.
    private struct RegistryKey: Hashable {
        var host: String
        var settings: RegistrySettings
    }

    init(_ environment: RunEnvironment) {
        self.environment = environment
    }

    func source(_ definition: StoreDefinition) async throws -> any SourceStore {
        switch definition {
        case .registry(let host, let prefix):
            return try mirrored(try registry(host, definition), definition).under(prefix)
        case .archive(let path):
            if let known = files[definition] { return known }
            let opened = try await environment.openedArchive(path)
            files[definition] = opened
            return opened
        case .layout(let path):
            if let known = files[definition] { return known }
            let opened = try await environment.openedLayout(path)
            files[definition] = opened
            return opened
        case .backups(let path, let at):
            if let known = files[definition] { return known }
            let opened = try await environment.openedBackup(path, at)
            files[definition] = opened
            if at == nil || at == "latest" {
                choices += try await opened.set.othersThan(opened.backup, pipeline: nil, way: "at: ID").map {
                    "\(opened.set.name), \(opened.summary): \($0)"
                }
            }
            return opened
        }
    }

    /// - Parameters:
    ///   - purpose: what a backup is made for, where the target is a set.
    ///   - replacesFile: whether a file that holds something else may be replaced.
    ///   - origin: the registry that the images come from, if it is one.
    func target(
        _ definition: StoreDefinition, replacesFile: Bool, origin: String?, purpose: BackupTarget.Purpose? = nil
    ) async throws -> any TargetStore {
        try await KnownSets(environment).check(definition)
        return switch definition {
        case .registry(let host, _): try registry(host, definition)
        case .archive(let path):
            try await environment.archiveTarget(path, replacesFile: replacesFile)
        case .layout(let path):
            try await Layout.create(
                path, defaultRepository: environment.defaultRepository, registry: origin, gathering: true,
                surroundings: environment.surroundings, files: environment.fileSystem)
        case .backups(let path, _):
            BackupTarget(
                try await BackupSet.create(
                    path, surroundings: environment.surroundings, files: environment.fileSystem),
                purpose
                    ?? BackupTarget.Purpose(
                        pipeline: "", source: origin ?? "", scope: "", began: environment.surroundings.now() / 1000))
        }
    }

    /// From now on the definition stands for this.
    func replace(_ definition: StoreDefinition, with store: any SourceStore) {
        files[definition] = store
    }

    /// The registry, with its mirrors before it where it has any.
    private func mirrored(_ origin: Registry, _ definition: StoreDefinition) throws -> any SourceStore {
        let mirrors = environment.settings.registries[definition]?.mirrors ?? []
        if mirrors.isEmpty { return origin }
        return MirroredRegistry(
            origin,
            mirrors: try mirrors.map { mirror in
                let store = StoreDefinition.registry(host: mirror.host, prefix: mirror.prefix)
                return MirroredRegistry.Mirror(try registry(mirror.host, store), prefix: mirror.prefix)
            })
    }

    /// The whole of a registry, whatever part of it is meant.
    func registry(_ host: String, _ definition: StoreDefinition) throws -> Registry {
        let key = RegistryKey(
            host: host, settings: environment.settings.registries[definition] ?? RegistrySettings())
        if let known = registries[key] { return known }
        var options = key.settings.applied(
            to: environment.registries, files: environment.fileSystem, variables: environment.variables)
        if environment.plainHTTPHosts.contains(host) { options.plainHTTP = true }
        let opened = try Registry(
            host: host, options: options, surroundings: environment.surroundings, logger: environment.logger)
        registries[key] = opened
        return opened
    }

    /// A set that is only looked at, as what a step would write to.
    func backups(_ path: String, for step: CopyStep, pipeline: String) async throws -> BackupTarget {
        BackupTarget(
            try await BackupSet.open(path, surroundings: environment.surroundings, files: environment.fileSystem),
            step.purpose(pipeline: pipeline, now: environment.surroundings.now()))
    }

    func exists(_ path: String) async throws -> Bool {
        try await environment.fileSystem.status(path, followLinks: true) != nil
    }

    /// Requests by kind and the options they were made with, one entry a registry.
    func requestsByRegistry() -> [(host: String, options: RegistryOptions, requests: [String: Int])] {
        registries.map { key, registry in
            let counts = registry.requestCounts().map { ($0.key.rawValue, $0.value) }
            return (key.host, registry.options, Dictionary(uniqueKeysWithValues: counts))
        }
    }

    /// What a reader should know of what was opened.
    func notes() -> [String] { choices + budgets() }

    /// What registries that count pulls still allow, a line each.
    private func budgets() -> [String] {
        registries.values.compactMap { registry in
            registry.pullBudget().map { "\(registry.name): \($0.summary)" }
        }.sorted()
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
        var opening = ArchiveOpening(
            fileSystem: fileSystem, workFolder: workFolder, defaultRepository: defaultRepository,
            docker: DockerArchive.open)
        opening.acceptsUnsealed = acceptsDamaged
        return opening
    }
}
