import OCI
import OCIArchive
import OCIRegistry

/// Puts a store on a port of this machine as long as a closure runs, which is given the address.
///
/// The embedded server is above this module; the command plugs it in.
public typealias ServingStore =
    @Sendable (
        _ store: any SourceStore, _ writable: Bool, _ body: @escaping @Sendable (_ host: String) async throws -> Void
    ) async throws -> Void

/// A rehearsal of the outage: serves a backup and pulls an image from it, restores all of it or a sample into a
/// throw-away registry over the network, and pulls that back, every byte checked.
public struct Drill: Sendable {
    let environment: RunEnvironment
    let serving: ServingStore
    let observe: RunObserver

    public init(
        _ environment: RunEnvironment, serving: @escaping ServingStore, observe: @escaping RunObserver = { _ in }
    ) {
        self.environment = environment
        self.serving = serving
        self.observe = observe
    }

    /// Runs it.
    ///
    /// - Parameters:
    ///   - definition: a backup set, an archive or a layout folder.
    ///   - sample: how many images are restored, chosen by chance; nil for all of them.
    /// - Throws: what keeps it from being run at all; what it finds stands in the result.
    public func run(
        _ definition: StoreDefinition, sample: Int? = nil, objectives: DrillObjectives = DrillObjectives()
    ) async throws -> DrillResult {
        let began = ContinuousClock.now
        let subject = try await DrillSubject.open(definition, in: environment)
        var result = DrillResult(
            store: definition.description, at: environment.surroundings.now() / 1000, objectives: objectives)
        result.backup = subject.backup
        result.backupTime = subject.time
        result.imagesInAll = subject.images.count
        let chosen = choose(sample, of: subject.images)
        result.images = chosen.map(\.name)
        guard let first = chosen.first else {
            throw LifeboatError(.notFound, "\(subject.name) has no images: there is nothing to drill")
        }
        do {
            let bytes = try await weigh(chosen, in: subject.store)
            result.bytes = bytes
            if chosen.count == subject.images.count {
                result.bytesInAll = bytes
            } else if let known = subject.bytes {
                result.bytesInAll = known
            } else {
                result.bytesInAll = try await weigh(subject.images, in: subject.store)
            }
            try await checkSpace(for: bytes)
            result.secondsToFirstPull = try await pullFirst(first, of: subject, since: began)
            try await restore(chosen, of: subject, into: &result)
        } catch is CancellationError {
            throw CancellationError()
        } catch {
            result.failures.append(FailureReport(error))
        }
        return result
    }

    /// Some of the images, chosen by chance, so that by and by all of them have their turn.
    private func choose(_ sample: Int?, of images: [NamedImage]) -> [NamedImage] {
        guard let sample, sample < images.count else { return images }
        var indices = Array(images.indices)
        for place in 0..<sample {
            let rest = UInt64(indices.count - place)
            indices.swapAt(place, place + Int(environment.surroundings.random() % rest))
        }
        return indices[..<sample].sorted().map { images[$0] }
    }

    /// Bytes of images, those that several have once.
    private func weigh(_ images: [NamedImage], in store: any SourceStore) async throws -> Int64 {
        var sizes: [Digest: Int64] = [:]
        var seen: Set<Digest> = []
        for image in images where seen.insert(image.descriptor.digest).inserted {
            let graph = try await ImageGraph.read(
                image.descriptor, from: AnySource(try await store.source(image.repository)))
            for content in graph.manifests + graph.blobs { sizes[content.digest] = content.size }
        }
        return sizes.values.reduce(0, +)
    }

    private func checkSpace(for bytes: Int64) async throws {
        let files = environment.fileSystem
        try await files.createFolder(environment.workFolder)
        let free = try await files.freeSpace(environment.workFolder)
        guard free > bytes else {
            throw LifeboatError(
                .local,
                "the restored images take \(Figures.bytes(bytes)), and \(shown(environment.workFolder, limit: 1000)) "
                    + "has \(Figures.bytes(free)) free",
                advice: "--sample N restores some of them, --work DIR takes another place")
        }
    }
}

/// A source without its type, for what takes `some ManifestReader`.
private struct AnySource: ManifestReader {
    let source: any ImageSource

    init(_ source: any ImageSource) { self.source = source }

    func manifest(_ descriptor: Descriptor) async throws -> Manifest { try await source.manifest(descriptor) }
    func referrers(of digest: Digest) async throws -> [Descriptor] { try await source.referrers(of: digest) }
}
