import OCI
import OCIArchive
import Synchronization
import TestSupport
import Testing

@testable import Lifeboat

/// Several targets of one step: each blob is read once, and a target that fails stops no other.
@Suite struct StepsTargetsTests {
    private let surroundings = Surroundings(clock: ContinuousClock(), now: { 0 }, random: { 7 })

    private func transfer(
        _ source: any SourceStore, to targets: [any TargetStore], overwrite: Overwrite = .never
    ) async throws -> (plan: Plan, outcome: Transfer.Outcome) {
        let spool = ManifestSpool(fileSystem: LocalFileSystem(), folder: "unused")
        let plan = try await Planner(
            targets: targets.map { Planner.Target(store: $0, naming: Naming(), overwrite: overwrite) }, spool: spool
        ).plan([Planner.Source(store: source, selection: .all)])
        let retry = RetryPolicy(firstDelay: .milliseconds(1))
        let outcome = try await Transfer(targets: targets, spool: spool, surroundings: surroundings, retry: retry)
            .run(plan)
        return (plan, outcome)
    }

    @Test func `each blob and each manifest is read once for all targets`() async throws {
        let old = ReadingStore(store: try await SmallWorld.store())
        let targets = ["a", "b", "c"].map { MemoryStore(name: $0) }
        let (plan, outcome) = try await transfer(old, to: targets)
        #expect(plan.failures.isEmpty)
        #expect(plan.items.map(\.target) == [0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2])
        #expect(outcome.reports.allSatisfy { $0.outcome == .done })
        #expect(outcome.targets.map(\.done) == [4, 4, 4])
        let want = try await SmallWorld.digests(old.store)
        for target in targets { #expect(try await SmallWorld.digests(target) == want) }
        #expect(old.reads.allSatisfy { $0.value == 1 }, "\(old.reads)")
        #expect(old.reads.count == 9 + 3)
        // Three images of two layers and a config, once each, and their manifests to three targets.
        #expect(outcome.bytesMoved < 3 * 24_000 + 3 * 4 * 1000)
    }

    @Test func `only what a target lacks goes there`() async throws {
        let old = ReadingStore(store: try await SmallWorld.store())
        let (full, empty) = (MemoryStore(name: "full"), MemoryStore(name: "empty"))
        _ = try await transfer(old, to: [full])
        old.forget()
        let (plan, outcome) = try await transfer(old, to: [full, empty])
        #expect(plan.items.filter { $0.target == 0 }.allSatisfy { $0.action == .alreadyThere })
        #expect(plan.items.filter { $0.target == 1 }.allSatisfy { $0.action == .copy })
        #expect(outcome.targets.map(\.done) == [0, 4])
        #expect(try await SmallWorld.digests(empty) == SmallWorld.digests(full))
        #expect(old.reads.allSatisfy { $0.value == 1 })
    }

    @Test func `a conflict at one target is no matter at the other`() async throws {
        let old = try await SmallWorld.store()
        let (a, b) = (MemoryStore(name: "a"), MemoryStore(name: "b"))
        try await SeededImages.push(to: try await b.target(RepositoryName("base")), seed: 9, tags: [Tag("1")])
        let (plan, outcome) = try await transfer(old, to: [a, b])
        #expect(plan.failures.map(\.target) == ["b/base:1"])
        #expect(plan.failures.map(\.targetNumber) == [1])
        #expect(outcome.targets.map(\.done) == [4, 3])
    }

    @Test func `a target that is down fails its own images, and conflicts at the other are named`() async throws {
        let old = try await SmallWorld.store()
        let (down, up) = (DownTarget(name: "down.example.com"), MemoryStore(name: "up.example.com"))
        try await SeededImages.push(to: try await up.target(RepositoryName("base")), seed: 9, tags: [Tag("1")])
        let (plan, outcome) = try await transfer(old, to: [down, up])
        #expect(outcome.targets.map(\.done) == [0, 3])
        let lost = plan.failures.filter { $0.targetNumber == 0 }
        #expect(lost.count == 4)
        #expect(lost.allSatisfy { FailureKind(of: $0.error) == .unavailable })
        #expect(lost.allSatisfy { $0.target?.hasPrefix("down.example.com/") ?? false })
        let conflicts = plan.failures.filter { $0.targetNumber == 1 }
        #expect(conflicts.map(\.target) == ["up.example.com/base:1"])
        #expect(conflicts.map { FailureKind(of: $0.error) } == [.conflict])
    }

    @Test func `a target that refuses one blob fails its images only`() async throws {
        let old = ReadingStore(store: try await SmallWorld.store())
        let app = await old.store.source(try RepositoryName("team/app"))
        let image = try await app.manifest(app.resolve(.tag(Tag("2"))))
        let layer = try #require(image.children.last)
        let (good, bad) = (
            MemoryStore(name: "good"), FailingTarget(store: MemoryStore(name: "bad"), blob: layer.digest)
        )
        let (_, outcome) = try await transfer(old, to: [good, bad])
        #expect(outcome.targets.map(\.done) == [4, 3])
        let failed = outcome.reports.filter { $0.outcome == .failed }
        #expect(failed.map(\.target) == ["bad/team/app:2"])
        #expect(failed.first?.error?.kind == .conflict)
        #expect(try await SmallWorld.digests(good) == SmallWorld.digests(old.store))
    }

    @Test func `who failed for the moment is tried again alone`() async throws {
        let old = ReadingStore(store: try await SmallWorld.store())
        let app = await old.store.source(try RepositoryName("team/app"))
        let image = try await app.manifest(app.resolve(.tag(Tag("2"))))
        let layer = try #require(image.children.last)
        let good = MemoryStore(name: "good")
        let flaky = FailingTarget(store: MemoryStore(name: "flaky"), blob: layer.digest, kind: .unavailable, times: 2)
        let (_, outcome) = try await transfer(old, to: [good, flaky])
        #expect(outcome.targets.map(\.done) == [4, 4])
        #expect(try await SmallWorld.digests(flaky.store) == SmallWorld.digests(old.store))
        // Once for both, twice for the one that failed.
        #expect(old.reads[layer.digest] == 3)
        #expect(old.reads.filter { $0.value > 1 }.count == 1)
    }

    @Test func `a target whose disk is full ends alone`() async throws {
        let old = try await SmallWorld.store()
        let app = await old.source(try RepositoryName("team/app"))
        let layer = try #require(try await app.manifest(app.resolve(.tag(Tag("2")))).children.last)
        let full = FailingTarget(store: MemoryStore(name: "full"), blob: layer.digest, kind: .local)
        let good = MemoryStore(name: "good")
        let (_, outcome) = try await transfer(old, to: [full, good])
        #expect(outcome.targets[0].error != nil)
        // What had arrived before stays; nothing more goes there.
        #expect(outcome.targets[0].done < 4)
        #expect(outcome.targets.map { $0.done + $0.failed } == [4, 4])
        #expect(outcome.reports.first { $0.target == "full/team/app:2" }?.error?.kind == .local)
        #expect(try await SmallWorld.digests(good) == SmallWorld.digests(old))
        let alone = await #expect(throws: LifeboatError.self) {
            let result = try await transfer(
                old, to: [FailingTarget(store: MemoryStore(name: "x"), blob: layer.digest, kind: .local)])
            _ = result
        }
        #expect(alone?.kind == .local)
    }

    @Test func `several archives are written in one pass, each as if it were alone`() async throws {
        let old = ReadingStore(store: try await SmallWorld.store())
        try await withTemporaryFolder { folder in
            let targets = try ["a.tar", "b.tar", "c.tar.zst"].map {
                try ArchiveTarget(path: folder + "/" + $0, fileSystem: LocalFileSystem(), replace: false)
            }
            let (_, outcome) = try await transfer(old, to: targets)
            #expect(outcome.targets.map(\.done) == [4, 4, 4])
            #expect(Set(outcome.targets.compactMap(\.archive)).count == 1)
            #expect(old.reads.allSatisfy { $0.value == 1 }, "\(old.reads)")
            let alone = try ArchiveTarget(path: folder + "/alone.tar", fileSystem: LocalFileSystem(), replace: false)
            _ = try await transfer(old.store, to: [alone])
            for name in ["a.tar", "b.tar"] {
                let compared = try await Program.run("cmp", folder + "/" + name, folder + "/alone.tar")
                #expect(compared.status == 0, "\(compared.output)")
            }
            for name in ["a.tar", "c.tar.zst"] {
                let report = try await ArchiveVerification(
                    path: folder + "/" + name,
                    opening: ArchiveOpening(fileSystem: LocalFileSystem(), workFolder: folder)
                ).run()
                #expect(report.isSound)
            }
        }
    }

    @Test func `an archive that exists with other contents ends alone`() async throws {
        let old = try await SmallWorld.store()
        try await withTemporaryFolder { folder in
            let other = MemoryStore(name: "other")
            try await SeededImages.push(to: try await other.target(RepositoryName("x")), seed: 9, tags: [Tag("1")])
            _ = try await transfer(
                other, to: [try ArchiveTarget(path: folder + "/a.tar", fileSystem: LocalFileSystem(), replace: false)])
            let targets = try ["a.tar", "b.tar"].map {
                try ArchiveTarget(path: folder + "/" + $0, fileSystem: LocalFileSystem(), replace: false)
            }
            let (_, outcome) = try await transfer(old, to: targets)
            #expect(outcome.targets.map(\.done) == [0, 4])
            #expect(outcome.targets[0].error.map { FailureKind(of: $0) } == .conflict)
            #expect(outcome.reports.filter { $0.target.contains("a.tar") }.allSatisfy { $0.error?.kind == .conflict })
            #expect(outcome.targets[1].archive != nil)
        }
    }
}

/// Counts how often each blob and manifest is read.
final class ReadingStore: SourceStore {
    let store: MemoryStore
    private let counts = Mutex<[Digest: Int]>([:])

    init(store: MemoryStore) {
        self.store = store
    }

    var reads: [Digest: Int] { counts.withLock { $0 } }
    func forget() { counts.withLock { $0 = [:] } }
    fileprivate func count(_ digest: Digest) { counts.withLock { $0[digest, default: 0] += 1 } }

    var name: String { store.name }
    func repositories() async throws -> [RepositoryName] { await store.repositories() }
    func source(_ repository: RepositoryName) async throws -> any ImageSource {
        Repository(inner: await store.source(repository), store: self)
    }

    private struct Repository: ImageSource {
        let inner: any ImageSource
        let store: ReadingStore

        var name: String { inner.name }
        func resolve(_ reference: TagOrDigest) async throws -> Descriptor { try await inner.resolve(reference) }
        func tags() async throws -> [OCI.Tag] { try await inner.tags() }
        func manifest(_ descriptor: Descriptor) async throws -> Manifest {
            store.count(descriptor.digest)
            return try await inner.manifest(descriptor)
        }
        func referrers(of digest: Digest) async throws -> [Descriptor] { try await inner.referrers(of: digest) }
        func read<R: Sendable>(
            _ blob: Descriptor, after prefix: Prefix?, _ body: @escaping @Sendable (Content) async throws -> R
        ) async throws -> R {
            store.count(blob.digest)
            return try await inner.read(blob, after: prefix, body)
        }
    }
}

/// A target that nobody can reach.
private struct DownTarget: TargetStore {
    let name: String

    func target(_ repository: RepositoryName) -> any ImageTarget { Repository(name: "\(name)/\(repository)") }

    private struct Repository: ImageTarget {
        let name: String

        private var down: LifeboatError { LifeboatError(.unavailable, "\(name) does not answer") }
        func find(_ reference: TagOrDigest) throws -> Descriptor? { throw down }
        func contains(_ blob: Descriptor) throws -> Bool { throw down }
        func push(_ manifest: Manifest, tags: [OCI.Tag]) throws { throw down }
        func write(_ content: Content) throws { throw down }
    }
}

/// A target that does not take one blob, some or all times.
private final class FailingTarget: TargetStore {
    let store: MemoryStore
    private let blob: Digest
    private let kind: FailureKind
    private let left: Mutex<Int>

    init(store: MemoryStore, blob: Digest, kind: FailureKind = .conflict, times: Int = .max) {
        self.store = store
        self.blob = blob
        self.kind = kind
        left = Mutex(times)
    }

    var name: String { store.name }
    func target(_ repository: RepositoryName) async throws -> any ImageTarget {
        Repository(inner: await store.target(repository), store: self)
    }

    private struct Repository: ImageTarget, BlobMounting {
        let inner: any ImageTarget
        let store: FailingTarget

        func mount(_ blob: Descriptor, from repository: RepositoryName) async throws -> Bool {
            try await (inner as? any BlobMounting)?.mount(blob, from: repository) ?? false
        }

        var name: String { inner.name }
        func find(_ reference: TagOrDigest) async throws -> Descriptor? { try await inner.find(reference) }
        func contains(_ blob: Descriptor) async throws -> Bool { try await inner.contains(blob) }
        func push(_ manifest: Manifest, tags: [OCI.Tag]) async throws { try await inner.push(manifest, tags: tags) }
        func write(_ content: Content) async throws {
            let fails = store.left.withLock { left in
                guard content.descriptor.digest == store.blob, left > 0 else { return false }
                left -= 1
                return true
            }
            if fails { throw LifeboatError(store.kind, "\(name) does not take it") }
            try await inner.write(content)
        }
    }
}
