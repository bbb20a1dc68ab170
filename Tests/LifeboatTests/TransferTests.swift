import NIOCore
import OCI
import OCIArchive
import TestSupport
import Testing

@testable import Lifeboat

@Suite struct TransferTests {
    private let surroundings = Surroundings(clock: ContinuousClock(), now: { 0 }, random: { 7 })

    private func spool() -> ManifestSpool { ManifestSpool(fileSystem: LocalFileSystem(), folder: "unused") }

    private func transfer(
        _ source: any SourceStore, _ selection: Selection = .all, to target: any TargetStore,
        naming: Naming = Naming(), overwrite: Overwrite = .never
    ) async throws -> (plan: Plan, outcome: Transfer.Outcome) {
        let spool = spool()
        let plan = try await Planner(target: target, naming: naming, overwrite: overwrite, spool: spool)
            .plan([Planner.Source(store: source, selection: selection)])
        var retry = RetryPolicy()
        retry.firstDelay = .milliseconds(1)
        let outcome = try await Transfer(targets: [target], spool: spool, surroundings: surroundings, retry: retry).run(
            plan)
        return (plan, outcome)
    }

    @Test func `everything arrives, each blob once, and a second run moves nothing`() async throws {
        let old = try await SmallWorld.store()
        let new = MemoryStore(name: "new")
        let (plan, outcome) = try await transfer(old, to: new)
        #expect(plan.failures.isEmpty)
        #expect(outcome.reports.map(\.outcome) == Array(repeating: .done, count: 4))
        for repository in await old.repositories() {
            let (from, to) = (await old.source(repository), await new.source(repository))
            #expect(try await from.tags() == to.tags())
            for tag in try await from.tags() {
                #expect(try await from.resolve(.tag(tag)) == to.resolve(.tag(tag)))
            }
        }
        // The referrer came along with the image that it refers to.
        let app = try await new.source(RepositoryName("team/app"))
        let digest = try await app.resolve(.tag(Tag("1"))).digest
        #expect(try await app.referrers(of: digest).count == 1)
        // Three images of 21,000 bytes of layers each; the one in two repositories was read once.
        #expect(outcome.bytesMoved < 3 * 24_000)

        let (again, nothing) = try await transfer(old, to: new)
        #expect(again.items.allSatisfy { $0.action == .alreadyThere })
        #expect(nothing.bytesMoved == 0)
    }

    @Test func `a tag that points elsewhere is a conflict, unless it may be moved`() async throws {
        let old = try await SmallWorld.store()
        let new = MemoryStore(name: "new")
        let other = try await SeededImages.push(
            to: try await new.target(RepositoryName("team/app")), seed: 9, tags: [Tag("1")])
        let (plan, outcome) = try await transfer(old, to: new)
        #expect(plan.failures.count == 1)
        #expect(FailureKind(of: plan.failures[0].error) == .conflict)
        #expect(outcome.reports.count == 3)
        let app = try await new.source(RepositoryName("team/app"))
        #expect(try await app.resolve(.tag(Tag("1"))).digest == other.descriptor.digest)

        let (_, moved) = try await transfer(old, to: new, overwrite: .always)
        #expect(moved.reports.compactMap(\.replaced) == [other.descriptor.digest])
        #expect(try await app.resolve(.tag(Tag("1"))).digest != other.descriptor.digest)
    }

    @Test func `a referrer that came later is brought after`() async throws {
        let old = try await SmallWorld.store()
        let new = MemoryStore(name: "new")
        _ = try await transfer(old, to: new)
        let app = try await old.target(RepositoryName("team/app"))
        let image = try await old.source(RepositoryName("team/app")).resolve(.tag(Tag("2")))
        try await SeededImages.push(to: app, seed: 20, subject: image)
        let (plan, outcome) = try await transfer(old, to: new)
        #expect(plan.items.count { $0.action == .copy } == 1)
        #expect(outcome.reports.count { $0.outcome == .done } == 1)
        #expect(try await new.source(RepositoryName("team/app")).referrers(of: image.digest).count == 1)
    }

    @Test func `a tag that moves at the source meanwhile is noted, and what was pinned arrives`() async throws {
        let old = try await SmallWorld.store()
        let spool = spool()
        let new = MemoryStore(name: "new")
        let plan = try await Planner(target: new, naming: Naming(), overwrite: .never, spool: spool)
            .plan([Planner.Source(store: Uncatalogued(store: old), selection: .all)])
        let moved = try await SeededImages.push(
            to: try await old.target(RepositoryName("team/app")), seed: 30, tags: [Tag("2")])
        let outcome = try await Transfer(targets: [new], spool: spool, surroundings: surroundings).run(plan)
        let noted = outcome.reports.filter { !$0.notes.isEmpty }
        #expect(noted.map(\.source) == ["old/team/app:2"])
        #expect(noted[0].notes == ["the source tag moved to \(moved.descriptor.digest) during the run"])
        #expect(outcome.reports.allSatisfy { $0.outcome == .done })
    }

    @Test func `a missing image is named, and the others arrive`() async throws {
        let old = try await SmallWorld.store()
        let selection = Selection(rules: [
            SelectionRule(repositories: [Glob("team/app")], tags: [Glob("1"), Glob("nope")])
        ])
        let (plan, outcome) = try await transfer(old, selection, to: MemoryStore(name: "new"))
        #expect(plan.failures.map(\.name) == ["old/team/app:nope"])
        #expect(FailureKind(of: plan.failures[0].error) == .notFound)
        #expect(outcome.reports.map(\.outcome) == [.done])
    }

    @Test func `two images that would get one name are refused before anything moves`() async throws {
        let old = try await SmallWorld.store()
        let reference = try Reference(parsing: "new.example.com/one:1")
        let selection = Selection(rules: [
            SelectionRule(repositories: [Glob("team/app")], tags: [Glob("1"), Glob("2")])
        ])
        let new = MemoryStore(name: "new")
        let error = await #expect(throws: LifeboatError.self) {
            try await transfer(old, selection, to: new, naming: Naming(exact: reference))
        }
        #expect(error?.kind == .policy)
        #expect(await new.repositories().isEmpty)
    }

    @Test func `what is tried again below a blob or a manifest counts for its image`() async throws {
        let old = MemoryStore(name: "old")
        let app = try await old.target(RepositoryName("app"))
        try await SeededImages.push(to: app, seed: 1, tags: [Tag("1")])
        let (_, outcome) = try await transfer(HesitatingStore(store: old), to: MemoryStore(name: "new"))
        // Its manifest, its config and its two layers.
        #expect(outcome.reports.map(\.retries) == [4])
    }

    @Test func `a blob whose bytes are wrong fails its images and no others`() async throws {
        let old = MemoryStore(name: "old")
        let app = try await old.target(RepositoryName("app"))
        try await SeededImages.push(to: app, seed: 1, tags: [Tag("good")])
        let bad = try await SeededImages.push(to: app, seed: 2, tags: [Tag("bad")])
        let layer = try #require(bad.children.last)
        let flipped = FlippingStore(store: old, blob: layer.digest)
        let new = MemoryStore(name: "new")
        let (_, outcome) = try await transfer(flipped, to: new)
        #expect(outcome.reports.first { $0.source.hasSuffix(":bad") }?.error?.kind == .damaged)
        #expect(outcome.reports.first { $0.source.hasSuffix(":good") }?.outcome == .done)
        let target = try await new.source(RepositoryName("app"))
        #expect(try await target.tags() == [Tag("good")])
    }
}

/// A store that has to try everything twice.
struct HesitatingStore: SourceStore {
    let store: MemoryStore

    var name: String { store.name }
    func repositories() async throws -> [RepositoryName] { await store.repositories() }
    func source(_ repository: RepositoryName) async throws -> any ImageSource {
        Repository(inner: await store.source(repository))
    }

    struct Repository: ImageSource {
        let inner: any ImageSource

        var name: String { inner.name }
        func resolve(_ reference: TagOrDigest) async throws -> Descriptor { try await inner.resolve(reference) }
        func tags() async throws -> [OCI.Tag] { try await inner.tags() }
        func manifest(_ descriptor: Descriptor) async throws -> Manifest {
            RetryCount.current?.add()
            return try await inner.manifest(descriptor)
        }
        func referrers(of digest: Digest) async throws -> [Descriptor] { try await inner.referrers(of: digest) }
        func read<R: Sendable>(
            _ blob: Descriptor, after prefix: Prefix?, _ body: @escaping @Sendable (Content) async throws -> R
        ) async throws -> R {
            RetryCount.current?.add()
            return try await inner.read(blob, after: prefix, body)
        }
    }
}

/// A store one of whose blobs arrives with a flipped bit.
struct FlippingStore: SourceStore {
    let store: MemoryStore
    let blob: Digest

    var name: String { store.name }
    func repositories() async throws -> [RepositoryName] { await store.repositories() }
    func source(_ repository: RepositoryName) async throws -> any ImageSource {
        Repository(inner: await store.source(repository), blob: blob)
    }

    struct Repository: ImageSource {
        let inner: any ImageSource
        let blob: Digest

        var name: String { inner.name }
        func resolve(_ reference: TagOrDigest) async throws -> Descriptor { try await inner.resolve(reference) }
        func tags() async throws -> [OCI.Tag] { try await inner.tags() }
        func manifest(_ descriptor: Descriptor) async throws -> Manifest { try await inner.manifest(descriptor) }
        func referrers(of digest: Digest) async throws -> [Descriptor] { try await inner.referrers(of: digest) }
        func read<R: Sendable>(
            _ blob: Descriptor, after prefix: Prefix?, _ body: @escaping @Sendable (Content) async throws -> R
        ) async throws -> R {
            guard blob.digest == self.blob else { return try await inner.read(blob, after: prefix, body) }
            let bytes = try await inner.read(blob) { try await $0.collect(upTo: .max) }
            var flipped = bytes
            flipped.setInteger((bytes.getInteger(at: 5, as: UInt8.self) ?? 0) ^ 1, at: 5)
            return try await body(Content(flipped, as: blob, from: name))
        }
    }
}

/// A store that does not say by itself what it holds, as a registry.
private struct Uncatalogued: SourceStore {
    let store: MemoryStore
    var name: String { store.name }
    func repositories() async throws -> [RepositoryName] { await store.repositories() }
    func source(_ repository: RepositoryName) async throws -> any ImageSource { await store.source(repository) }
}
