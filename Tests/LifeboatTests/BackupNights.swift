import Foundation
import Logging
import NIOCore
import OCI
import OCIArchive
import OCIRegistry
import Synchronization
import TestSupport

@testable import Lifeboat

/// A registry in memory that is exported into a set night after night, by a clock that the test moves.
struct BackupNights: Sendable {
    final class Clock: Sendable {
        /// Milliseconds since 1970.
        private let now = Mutex<Int64>(1_763_690_400_000)

        var moment: Int64 { now.withLock { $0 } }

        func advance(hours: Int64) { now.withLock { $0 += hours * 3_600_000 } }
    }

    let registry: MemoryStore
    let host: String
    let folder: String
    let clock = Clock()
    var files: any FileSystem = LocalFileSystem()

    var path: String { folder + "/set" }

    var surroundings: Surroundings {
        Surroundings(
            clock: ContinuousClock(), now: { [clock] in clock.moment }, random: { UInt64.random(in: .min ... .max) })
    }

    var environment: RunEnvironment {
        var environment = RunEnvironment.test(in: folder)
        environment.surroundings = surroundings
        environment.fileSystem = files
        return environment
    }

    static func run<R: Sendable>(
        over registry: MemoryStore = MemoryStore(name: "registry"),
        _ body: @escaping @Sendable (BackupNights) async throws -> R
    ) async throws -> R {
        try await withTemporaryFolder { folder in
            try await TestRegistry.run(over: registry) { host in
                try await body(BackupNights(registry: registry, host: host, folder: folder))
            }
        }
    }

    var step: CopyStep {
        CopyStep(
            kind: .export,
            sources: [SourceDefinition(store: .registry(host: host, prefix: ""), selection: .all)],
            target: .backups(path: path, at: nil))
    }

    /// One night: a day later than the last one, if nothing else is said.
    @discardableResult
    func export(_ step: CopyStep? = nil, onError: OnError = .stop, after hours: Int64 = 24) async -> Report {
        clock.advance(hours: hours)
        return await Runner(environment).run(
            [Step(name: "backup", work: .copy(step ?? self.step), onError: onError)], name: "nightly")
    }

    func set() async throws -> BackupSet { try await BackupSet.open(path, surroundings: surroundings) }

    func latest() async throws -> BackupSource {
        let set = try await set()
        return try await set.source(of: try await set.find("latest"))
    }

    /// Pushes an image whose layers belong to it alone.
    @discardableResult
    func push(_ name: String, _ tag: String, seed: UInt64, layers: [Int] = [500, 3000]) async throws -> Manifest {
        try await SeededImages.push(
            to: try await registry.target(RepositoryName(name)), seed: seed, layerSizes: layers, tags: [Tag(tag)])
    }

    /// What the registry holds: every tag, and the digest that it points to.
    func listing() async throws -> [String: Digest] {
        var listing: [String: Digest] = [:]
        for name in await registry.repositories() {
            let source = await registry.source(name)
            for tag in try await source.tags() {
                listing["\(name):\(tag)"] = try await source.resolve(.tag(tag)).digest
            }
        }
        return listing
    }

    /// What a store holds, every byte of it read.
    static func contents(of store: any ImageCatalog) async throws -> [String: Digest] {
        var listing: [String: Digest] = [:]
        for image in try await store.images() {
            guard image.tag != nil else { continue }
            listing[image.name] = image.descriptor.digest
            let source = try await store.source(image.repository)
            for blob in try await ImageGraph.read(image.descriptor, from: source).blobs {
                try await source.read(blob) { try await $0.verify() }
            }
        }
        return listing
    }

    /// What a backup says that it holds.
    static func names(in backup: BackupSource) -> [String: Digest] {
        Dictionary(backup.images().filter { $0.tag != nil }.map { ($0.name, $0.descriptor.digest) }) { $1 }
    }

    /// Bytes of all files under a folder of the set.
    func size(of folder: String = "") throws -> Int64 {
        var total: Int64 = 0
        let root = URL(fileURLWithPath: path + "/" + folder)
        let found = FileManager.default.enumerator(at: root, includingPropertiesForKeys: [.fileSizeKey])
        while let url = found?.nextObject() as? URL {
            guard try url.resourceValues(forKeys: [.isRegularFileKey]).isRegularFile == true else { continue }
            total += Int64(try url.resourceValues(forKeys: [.fileSizeKey]).fileSize ?? 0)
        }
        return total
    }

    /// Every file of the set, with when it was last changed.
    func stamps() throws -> [String: Date] {
        var stamps: [String: Date] = [:]
        let found = FileManager.default.enumerator(atPath: path)
        while let name = found?.nextObject() as? String {
            let attributes = try FileManager.default.attributesOfItem(atPath: path + "/" + name)
            guard attributes[.type] as? FileAttributeType == .typeRegular else { continue }
            stamps[name] = attributes[.modificationDate] as? Date
        }
        return stamps
    }
}
