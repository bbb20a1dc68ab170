import Foundation
import NIOCore
import OCIArchive
import Synchronization
import TestSupport
import Testing

@testable import Lifeboat
@testable import OCI

/// Listings that lose things: what is gone is asked for, and too much of it is not believed.
struct BackupGuardTests {
    /// A registry whose listings of tags leave some out, while they can be asked for.
    private final class Forgetful: SourceStore {
        let store: MemoryStore
        let hidden = Mutex<Set<String>>([])

        init(_ store: MemoryStore) { self.store = store }

        var name: String { store.name }
        func repositories() async throws -> [RepositoryName] { await store.repositories() }
        func source(_ repository: RepositoryName) async throws -> any ImageSource {
            guard let source = await store.source(repository) as? any RandomAccessSource else {
                throw OCIError(.internal, "memory cannot be read at random")
            }
            let hidden = hidden.withLock { $0 }
            return Repository(source: source) { hidden.contains("\(repository):\($0)") }
        }

        struct Repository: RandomAccessSource {
            let source: any RandomAccessSource
            let isHidden: @Sendable (OCI.Tag) -> Bool

            var name: String { source.name }
            func tags() async throws -> [OCI.Tag] { try await source.tags().filter { !isHidden($0) } }
            func resolve(_ reference: TagOrDigest) async throws -> Descriptor { try await source.resolve(reference) }
            func manifest(_ descriptor: Descriptor) async throws -> Manifest { try await source.manifest(descriptor) }
            func referrers(of digest: Digest) async throws -> [Descriptor] { try await source.referrers(of: digest) }
            func blob(_ digest: Digest) async throws -> Descriptor? { try await source.blob(digest) }
            func stamp(of blob: Descriptor) async throws -> String { try await source.stamp(of: blob) }
            func read<R: Sendable>(
                _ blob: Descriptor, after prefix: Prefix?, _ body: @escaping @Sendable (Content) async throws -> R
            ) async throws -> R { try await source.read(blob, after: prefix, body) }
            func readUnverified(
                _ blob: Descriptor, in range: Range<Int64>, by pieceSize: Int, send: (ByteBuffer) async throws -> Void
            ) async throws { try await source.readUnverified(blob, in: range, by: pieceSize, send: send) }
        }
    }

    private func untag(_ name: String, _ tag: String, in registry: MemoryStore) async throws {
        let tag = try Tag(tag)
        await registry.change(try RepositoryName(name)) { $0.tags[tag] = nil }
    }

    /// A registry with so many tags of `app`, before the first night.
    private func withForgetful(
        tags: Int,
        _ body:
            @escaping @Sendable (_ registry: MemoryStore, _ forgetful: Forgetful, _ nights: BackupNights) async throws
            ->
            Void
    ) async throws {
        let registry = MemoryStore(name: "registry")
        let forgetful = Forgetful(registry)
        try await withTemporaryFolder { folder in
            try await TestRegistry.run(over: forgetful, writable: false) { host in
                let nights = BackupNights(registry: registry, host: host, folder: folder)
                for number in 0..<tags { try await nights.push("app", "\(number)", seed: UInt64(number), layers: [10]) }
                try await body(registry, forgetful, nights)
            }
        }
    }

    @Test func `a tag that the listing leaves out is asked for, and taken if it is there`() async throws {
        try await withForgetful(tags: 40) { registry, forgetful, nights in
            await nights.export()
            forgetful.hidden.withLock { $0 = ["app:3", "app:7"] }
            try await untag("app", "9", in: registry)
            let report = await nights.export()
            #expect(report.exitCode == 0)
            #expect(report.steps[0].notes.contains { $0.contains("2 tags") && $0.contains("app:3, app:7") })
            #expect(try await BackupNights.contents(of: try await nights.latest()) == nights.listing())
            #expect(try await nights.latest().images().count == 39)
        }
    }

    @Test func `a listing that has lost more tags than it may makes the backup suspect, until somebody accepts it`()
        async throws
    {
        try await BackupNights.run { nights in
            for number in 0..<40 { try await nights.push("app", "\(number)", seed: UInt64(number), layers: [10]) }
            await nights.export()
            for number in 0..<2 { try await untag("app", "\(number)", in: nights.registry) }
            // 5 per cent of 40.
            #expect(await nights.export().exitCode == 0)
            for number in 2..<5 { try await untag("app", "\(number)", in: nights.registry) }
            let set = try await nights.set()
            for _ in 0..<2 {
                let report = await nights.export()
                #expect(report.exitCode == 3)
                let suspect = try #require(try await set.backups().last)
                #expect(suspect.header.state == .complete)
                #expect(suspect.header.suspect?.contains("3 of 38 tags gone") == true)
                #expect(report.steps[0].error?.message.contains("3 of 38 tags gone") == true)
                // What is restored is still the backup that is believed.
                #expect(try await nights.latest().images().count == 38)
            }
            try await set.accept(try #require(try await set.backups().last))
            #expect(try await nights.latest().images().count == 35)
            #expect(await nights.export().exitCode == 0)
        }
    }

    @Test func `a listing that has lost a repository makes the backup suspect, however small it was`() async throws {
        try await BackupNights.run { nights in
            for number in 0..<40 { try await nights.push("app", "\(number)", seed: UInt64(number), layers: [10]) }
            try await nights.push("small", "1", seed: 99)
            await nights.export()
            try await untag("small", "1", in: nights.registry)
            let report = await nights.export()
            #expect(report.exitCode == 3)
            #expect(report.steps[0].error?.message.contains("1 repository gone") == true)
            #expect(report.steps[0].error?.message.contains("small") == true)
        }
    }

    @Test func `another selection is no loss`() async throws {
        try await BackupNights.run { nights in
            for number in 0..<40 { try await nights.push("app\(number)", "1", seed: UInt64(number), layers: [10]) }
            await nights.export()
            var narrow = nights.step
            narrow.sources[0].selection = Selection(rules: [SelectionRule(repositories: [Glob("app1*")])])
            #expect(await nights.export(narrow).exitCode == 0)
        }
    }

    @Test func `a folder that is exported beside a registry loses nothing by not being one`() async throws {
        try await BackupNights.run { nights in
            try await nights.push("app", "1", seed: 1)
            let path = nights.folder + "/layout"
            let layout = try await Layout.create(path, surroundings: .ofThisMachine)
            try await SeededImages.push(
                to: layout.target(RepositoryName("team/app")), seed: 2, layerSizes: [10], tags: [Tag("1")])
            try await layout.flush()
            var step = nights.step
            step.sources.append(SourceDefinition(store: .layout(path: path), selection: .all))
            #expect(await nights.export(step).exitCode == 0)
            try await SeededImages.push(
                to: layout.target(RepositoryName("team/other")), seed: 3, layerSizes: [10], tags: [Tag("1")])
            try await layout.flush()
            let report = await nights.export(step)
            #expect(report.exitCode == 0, "\(report.steps[0].failures.map(\.message))")
            #expect(try await nights.latest().images().count == 3)
            // What leaves the folder was taken out of it by somebody, and what leaves the registry is still missed.
            _ = try await (layout.target(RepositoryName("team/app")) as? any DeletingTarget)?.untag(Tag("1"))
            try await layout.flush()
            #expect(await nights.export(step).exitCode == 0)
        }
    }

    @Test func `images that are called otherwise in the set are asked for and missed by the names of the registry`()
        async throws
    {
        try await withForgetful(tags: 20) { registry, forgetful, nights in
            try await nights.push("base/other", "1", seed: 99, layers: [10])
            for (prefix, rename, name) in [
                ("kept", [], "kept/app"),
                ("", [try Rewrite(from: "(.*)", into: "old/\\1")], "old/app"),
            ] {
                var step = nights.step
                step.targets[0].naming = Naming(prefix: prefix, rename: rename)
                step.targets[0].store = .backups(path: nights.folder + "/set-" + prefix, at: nil)
                #expect(await nights.export(step).exitCode == 0)
                forgetful.hidden.withLock { $0 = ["app:3", "app:4", "app:5"] }
                var report = await nights.export(step)
                #expect(report.exitCode == 0)
                #expect(report.steps[0].notes.contains { $0.contains("app:3, app:4, app:5") })
                let set = try await BackupSet.open(nights.folder + "/set-" + prefix, surroundings: nights.surroundings)
                let newest = try await set.source(of: try await set.find("latest"))
                #expect(newest.images().count == 21)
                #expect(newest.images().filter { $0.repository.description == name }.count == 20)
                forgetful.hidden.withLock { $0 = [] }
                for number in 3..<6 { try await untag("app", "\(number)", in: registry) }
                report = await nights.export(step)
                #expect(report.exitCode == 3)
                #expect(report.steps[0].error?.message.contains("3 of 21 tags gone") == true)
                #expect(report.steps[0].error?.message.contains("\(name):3, \(name):4, \(name):5") == true)
                for number in 3..<6 {
                    try await nights.push("app", "\(number)", seed: UInt64(number), layers: [10])
                }
            }
        }
    }

    @Test func `a plan says that the backup will be suspect`() async throws {
        try await BackupNights.run { nights in
            for number in 0..<20 { try await nights.push("app", "\(number)", seed: UInt64(number), layers: [10]) }
            await nights.export()
            for number in 0..<2 { try await untag("app", "\(number)", in: nights.registry) }
            let step = Step(name: "backup", work: .copy(nights.step))
            let plan = try await PipelinePlanner(nights.environment).plan([step], name: "nightly")
            #expect(plan.steps[0].notes.contains { $0.contains("is suspect: 2 of 20 tags gone") })
            #expect(try await nights.set().backups().count == 1)
        }
    }

    @Test func `an export that is suspect in two sets says so of both, with what accepts each`() async throws {
        try await BackupNights.run { nights in
            for number in 0..<3 { try await nights.push("app\(number)", "1", seed: UInt64(number)) }
            var step = nights.step
            step.targets.append(CopyTarget(store: .backups(path: nights.folder + "/other", at: nil)))
            #expect(await nights.export(step).exitCode == 0)
            await nights.registry.change(try RepositoryName("app2")) { $0.tags = [:] }
            let report = await nights.export(step)
            let errors = report.steps[0].targets.compactMap(\.error)
            #expect(errors.count == 2)
            for (path, error) in zip([nights.path, nights.folder + "/other"], errors) {
                let set = try await BackupSet.open(path, surroundings: nights.surroundings)
                let backup = try #require(try await set.backups().last)
                #expect(error.message.hasPrefix("the new backup of \(path) is suspect"))
                #expect(try Program.text(of: path + "/RESCUE.md").contains(" \(path) "))
                #expect(error.advice?.hasSuffix("lifeboat backups accept \(path) \(backup.name)") == true)
            }
        }
    }

    @Test func `the place of a set whose disk is gone is not taken for a new folder`() async throws {
        try await BackupNights.run { nights in
            try await nights.push("app", "1", seed: 1)
            #expect(await nights.export().exitCode == 0)
            // What is left is what it was mounted on.
            try FileManager.default.removeItem(atPath: nights.path)
            try FileManager.default.createDirectory(atPath: nights.path, withIntermediateDirectories: false)
            for store in [StoreDefinition.layout(path: nights.path), .backups(path: nights.path + "/.", at: nil)] {
                var step = nights.step
                step.target = store
                let report = await nights.export(step)
                #expect(report.exitCode == 74)
                #expect(report.steps[0].error?.message.hasSuffix("was a backup set, and is not there now") == true)
            }
            #expect(try FileManager.default.contentsOfDirectory(atPath: nights.path).isEmpty)
            var step = nights.step
            step.target = .layout(path: nights.folder + "/layout")
            let first = await nights.export(step)
            #expect(first.exitCode == 0 && first.steps[0].notes.contains { $0.contains("is a new OCI layout folder") })
            #expect(await nights.export(step).steps[0].notes.allSatisfy { !$0.contains("new OCI layout") })
        }
    }

    @Test func `a set without a backup is nothing to verify`() async throws {
        try await BackupNights.run { nights in
            _ = try await BackupSet.create(nights.path, surroundings: nights.surroundings)
            let source = SourceDefinition(store: .backups(path: nights.path, at: nil), selection: .all)
            let report = await Runner(nights.environment).run(
                [Step(name: "v", work: .verify(VerifyStep(sources: [source], against: nil)))], name: "v")
            #expect(report.exitCode == 66)
        }
    }
}
