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
                _ blob: Descriptor, in range: Range<Int64>, send: (ByteBuffer) async throws -> Void
            ) async throws { try await source.readUnverified(blob, in: range, send: send) }
        }
    }

    private func untag(_ name: String, _ tag: String, in registry: MemoryStore) async throws {
        let tag = try Tag(tag)
        await registry.change(try RepositoryName(name)) { $0.tags[tag] = nil }
    }

    @Test func `a tag that the listing leaves out is asked for, and taken if it is there`() async throws {
        let registry = MemoryStore(name: "registry")
        let forgetful = Forgetful(registry)
        try await withTemporaryFolder { folder in
            try await TestRegistry.run(over: forgetful, writable: false) { host in
                let nights = BackupNights(registry: registry, host: host, folder: folder)
                for number in 0..<40 { try await nights.push("app", "\(number)", seed: UInt64(number), layers: [10]) }
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
}
