import OCI
import OCIRegistry

/// Looks whether a registry does what an outage would keep it from doing: answers, resolves a tag, hands out a
/// manifest and the bytes of a blob.
public struct Probe: Sendable {
    /// The most bytes of a layer that are read, in one request for a part of it.
    public static let partSize = 64 << 10
    /// The most bytes of a config that are read, all of them and checked.
    private static let configLimit: Int64 = 4 << 20

    private let environment: RunEnvironment

    public init(_ environment: RunEnvironment) {
        var environment = environment
        // Who watches wants to know that something fails, not that it works the fourth time.
        environment.registries.retry.attempts = 1
        environment.registries.connectTimeout = min(environment.registries.connectTimeout, .seconds(5))
        environment.registries.headerTimeout = min(environment.registries.headerTimeout, .seconds(15))
        self.environment = environment
    }

    /// Never throws: what goes wrong stands in the result.
    public func run(_ places: [ProbedPlace]) async -> [ProbeResult] {
        var results: [ProbeResult] = []
        for place in places { results.append(await run(place)) }
        return results
    }

    private func run(_ place: ProbedPlace) async -> ProbeResult {
        var result = ProbeResult(place: place, began: environment.surroundings.now())
        do {
            var options = environment.registries
            if environment.plainHTTPHosts.contains(place.host) { options.plainHTTP = true }
            let registry = try Registry(
                host: place.host, options: options, surroundings: environment.surroundings,
                logger: environment.logger)
            do {
                try await probe(registry, place, &result)
            } catch {
                result.error = FailureReport(error)
            }
            try await registry.shutdown()
        } catch {
            result.error = result.error ?? FailureReport(error)
        }
        return result
    }

    private func probe(_ registry: Registry, _ place: ProbedPlace, _ result: inout ProbeResult) async throws {
        try await timed(.answer, &result) { try await registry.ping() }
        guard let name = place.repository else { return }
        let repository = registry.repository(name)
        let reference = try await canary(place, repository, &result)
        let descriptor = try await timed(.resolve, &result) { try await repository.resolve(reference) }
        result.digest = descriptor.digest
        var manifest = try await timed(.manifest, &result) { try await repository.manifest(descriptor) }
        if case .index(let children) = manifest.kind, let child = children.first(where: { $0.mediaType.isManifest }) {
            manifest = try await timed(.manifest, &result) { try await repository.manifest(child) }
        }
        guard case .image(let config, let layers) = manifest.kind else { return }
        if let config, config.size <= Probe.configLimit {
            try await timed(.config, &result) { try await repository.read(config) { try await $0.verify() } }
        }
        guard let layer = layers.filter({ !$0.isForeign && $0.size > 0 }).max(by: { $0.size < $1.size }) else { return }
        let count = Int(min(layer.size, Int64(Probe.partSize)))
        result.sendsParts = try await timed(.blob, &result) {
            try await repository.readStart(of: layer, count: count)
        }
    }

    /// What stands for the repository: what was named, else `latest`, else its last tag.
    private func canary(
        _ place: ProbedPlace, _ repository: RemoteRepository, _ result: inout ProbeResult
    ) async throws -> TagOrDigest {
        if let reference = place.reference { return reference }
        let tags = try await timed(.tags, &result) { try await repository.tags() }
        if tags.contains(.latest) { return .tag(.latest) }
        guard let last = tags.last(where: { !$0.listsReferrers }) else {
            throw LifeboatError(.notFound, "\(repository.name) has no tags", advice: "name one to look for")
        }
        return .tag(last)
    }

    private func timed<R: Sendable>(
        _ stage: ProbeResult.Stage, _ result: inout ProbeResult, _ body: @Sendable () async throws -> R
    ) async throws -> R {
        let began = ContinuousClock.now
        result.failedAt = stage
        let answer = try await body()
        result.failedAt = nil
        result.latencies.append(ProbeResult.Latency(stage: stage, seconds: began.duration(to: .now).seconds))
        return answer
    }
}

/// What is probed: a registry, one of its repositories, or an image.
public struct ProbedPlace: Sendable, Hashable {
    public let host: String
    public let repository: RepositoryName?
    public let reference: TagOrDigest?

    /// Reads `HOST`, `HOST/REPOSITORY` or `HOST/REPOSITORY:TAG`.
    ///
    /// - Throws: `OCIError` or `LifeboatError` of kind `.usage`.
    public init(parsing text: String) throws {
        if !text.contains("/") {
            guard Reference.isWellFormedHost(text) else {
                throw LifeboatError(
                    .usage, "'\(shown(text, limit: 300))' is not a registry", advice: "HOST or HOST:PORT")
            }
            host = Reference.canonical(registry: text)
            repository = nil
            reference = nil
            return
        }
        let image = try Reference(parsing: text)
        host = image.registry
        repository = image.repository
        reference = image.tag == nil && image.digest == nil ? nil : image.tagOrDigest
    }

    public var description: String {
        guard let repository else { return host }
        return switch reference {
        case .tag(let tag): "\(host)/\(repository):\(tag)"
        case .digest(let digest): "\(host)/\(repository)@\(digest)"
        case nil: "\(host)/\(repository)"
        }
    }
}
