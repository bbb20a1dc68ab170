import OCI
import OCIArchive
import Synchronization
import TestSupport
import Testing

@testable import Lifeboat

struct NamedImagesTests {
    /// A store each of whose images is answered for once four are asked for at the same time, or after two seconds.
    private final class PatientStore: SourceStore {
        private let store: MemoryStore
        private let asked = Mutex((now: 0, most: 0))

        init(_ store: MemoryStore) {
            self.store = store
        }

        var most: Int { asked.withLock { $0.most } }
        var name: String { store.name }
        func repositories() async throws -> [RepositoryName] { await store.repositories() }
        func source(_ repository: RepositoryName) async throws -> any ImageSource {
            Repository(inner: await store.source(repository), store: self)
        }

        func waitForOthers() async throws {
            asked.withLock { asked in
                asked.now += 1
                asked.most = max(asked.most, asked.now)
            }
            defer { asked.withLock { $0.now -= 1 } }
            for _ in 0..<400 where most < 4 { try await Task.sleep(for: .milliseconds(5)) }
        }

        private struct Repository: ImageSource {
            let inner: any ImageSource
            let store: PatientStore

            var name: String { inner.name }
            func resolve(_ reference: TagOrDigest) async throws -> Descriptor {
                try await store.waitForOthers()
                return try await inner.resolve(reference)
            }
            func tags() async throws -> [OCI.Tag] { try await inner.tags() }
            func manifest(_ descriptor: Descriptor) async throws -> Manifest { try await inner.manifest(descriptor) }
            func referrers(of digest: Digest) async throws -> [Descriptor] { try await inner.referrers(of: digest) }
            func read<R: Sendable>(
                _ blob: Descriptor, after prefix: Prefix?, _ body: @escaping @Sendable (Content) async throws -> R
            ) async throws -> R {
                try await inner.read(blob, after: prefix, body)
            }
        }
    }

    @Test func `named images are asked for side by side, and planned in their order`() async throws {
        let store = MemoryStore(name: "r")
        let names = (1...8).map { "app\($0)" }
        for (seed, name) in names.enumerated() {
            try await SeededImages.push(
                to: try await store.target(RepositoryName(name)), seed: UInt64(seed), layerSizes: [10], tags: [.latest])
        }
        let patient = PatientStore(store)
        let plan = try await withTemporaryFolder { folder in
            try await Planner(
                target: MemoryStore(name: "t"), naming: Naming(), overwrite: .never,
                spool: ManifestSpool(fileSystem: LocalFileSystem(), folder: folder)
            ).plan(
                try names.map { name in
                    Planner.Source(
                        store: patient,
                        selection: Selection(rules: [SelectionRule(try Reference(parsing: "r.example.com/" + name))]))
                })
        }
        #expect(plan.items.map(\.sourceName) == names.map { "r/\($0):latest" })
        #expect(patient.most >= 4)
    }
}
