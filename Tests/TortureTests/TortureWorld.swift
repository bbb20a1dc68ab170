import Logging
import NIOCore
import OCI
import OCIArchive
import OCIRegistry
import TestSupport

@testable import Lifeboat

/// Images with everything that can be forgotten: shared layers, an index, a signature, two repositories.
enum TortureWorld {
    static func store() async throws -> MemoryStore {
        let store = MemoryStore(name: "source")
        let app = try await store.target(RepositoryName("team/app"))
        let image = try await SeededImages.push(
            to: app, seed: 1, layerSizes: [30_000, 150_000], tags: [Tag("1.0"), Tag("latest")])
        try await SeededImages.push(to: app, seed: 9, layerSizes: [600], subject: image.descriptor)
        let other = try await store.target(RepositoryName("other"))
        var children: [Descriptor] = []
        for (seed, architecture) in [(UInt64(1), "amd64"), (2, "arm64")] {
            var child = try await SeededImages.push(to: other, seed: seed, layerSizes: [30_000, 4000]).descriptor
            child.platform = Platform(os: "linux", architecture: architecture)
            children.append(child)
        }
        let index = try Manifest(SeededImages.index(children), mediaType: .ociIndex, from: "seed")
        try await other.push(index, tags: [Tag("multi")])
        return store
    }

    /// This machine.
    ///
    /// - Parameter patience: how long an answer may take; little only where one is not to come.
    static func environment(_ folder: String, patience: Duration = .seconds(30)) -> RunEnvironment {
        var environment = RunEnvironment(
            fileSystem: LocalFileSystem(), surroundings: .ofThisMachine, registries: RegistryOptions(),
            logger: Logger(label: "torture") { _ in SwiftLogNoOpLogHandler() }, workFolder: folder)
        environment.registries.credentials = .anonymous
        environment.registries.headerTimeout = patience
        environment.registries.writeTimeout = patience
        environment.registries.commitTimeout = patience
        environment.registries.idleTimeout = patience
        environment.retry.firstDelay = .milliseconds(1)
        environment.registries.retry.firstDelay = .milliseconds(1)
        return environment
    }

    static func copy(
        _ kind: StepReport.Kind, from source: StoreDefinition, to target: StoreDefinition
    ) -> Step {
        Step(
            name: kind.rawValue,
            work: .copy(
                CopyStep(
                    kind: kind, sources: [SourceDefinition(store: source, selection: .all)], target: target,
                    overwrite: .never)),
            onError: .stop)
    }

    /// What is named at the target and is not whole, or not what the source has; empty if all is well.
    ///
    /// - Parameter complete: whether everything must be there.
    static func faults(
        of target: any SourceStore, against source: MemoryStore, complete: Bool
    ) async throws -> [String] {
        var faults: [String] = []
        let names = try await target.repositories()
        for repository in await source.repositories() {
            guard names.contains(repository) else {
                if complete { faults.append("\(repository) is missing") }
                continue
            }
            let (wanted, found) = (await source.source(repository), try await target.source(repository))
            let tags = try await found.tags()
            for tag in try await wanted.tags() {
                let root = try await wanted.resolve(.tag(tag))
                guard tags.contains(tag) else {
                    if complete { faults.append("\(repository):\(tag) is missing") }
                    continue
                }
                let present = try await found.resolve(.tag(tag))
                guard present.digest == root.digest else {
                    faults.append("\(repository):\(tag) is \(present.digest), want \(root.digest)")
                    continue
                }
                do {
                    try await readAll(root, from: found)
                    if complete {
                        let listed = Set(try await found.referrers(of: root.digest).map(\.digest))
                        for referrer in try await wanted.referrers(of: root.digest) {
                            guard listed.contains(referrer.digest) else {
                                faults.append("\(repository):\(tag) lacks its referrer \(referrer.digest)")
                                continue
                            }
                            try await readAll(referrer, from: found)
                        }
                    }
                } catch {
                    faults.append("\(repository):\(tag) is not whole: \(error)")
                }
            }
        }
        return faults
    }

    /// Reads every byte under a manifest.
    private static func readAll(_ descriptor: Descriptor, from source: any ImageSource) async throws {
        let manifest = try await source.manifest(descriptor)
        for child in manifest.children {
            if child.mediaType.isManifest {
                try await readAll(child, from: source)
            } else {
                try await source.read(child) { try await $0.verify() }
            }
        }
    }
}
