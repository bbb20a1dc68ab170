import NIOCore
import OCIArchive
import OCIRegistry
import TestSupport
import Testing

@testable import Lifeboat
@testable import OCI

/// A set on a port, while backups are added to it and taken away.
struct FollowedBackupsTests {
    private let app: RepositoryName
    private let one: OCI.Tag

    init() throws {
        app = try RepositoryName("app")
        one = try Tag("1")
    }

    private func withClient(
        of host: String, _ body: @Sendable (any ImageSource) async throws -> Void
    ) async throws {
        var options = RegistryOptions()
        options.plainHTTP = true
        let registry = try Registry(
            host: host, options: options, surroundings: .ofThisMachine, logger: RunEnvironment.test(in: "").logger)
        do {
            try await body(registry.repository(app))
        } catch {
            try await registry.shutdown()
            throw error
        }
        try await registry.shutdown()
    }

    @Test func `a served set goes over to a newer backup, and one that was chosen stays`() async throws {
        try await BackupNights.run { nights in
            try await nights.push("app", "1", seed: 1)
            await nights.export()
            let set = try await nights.set()
            let first = try await set.find("latest")
            let following = try await FollowedBackups(set, at: nil, in: nights.environment)
            let staying = try await FollowedBackups(set, at: first.id.hex, in: nights.environment)
            let new = try await nights.push("new", "1", seed: 2)
            await nights.export(after: 0)
            let name = try RepositoryName("new")
            await #expect(throws: OCIError.self) { _ = try await following.source(name) }
            nights.clock.advance(hours: 1)
            let found = try await following.source(name).resolve(.tag(one))
            #expect(found.digest == new.descriptor.digest)
            await #expect(throws: OCIError.self) { _ = try await staying.source(name) }
            #expect(try await staying.summary.contains("(1 image), backup \(first.name)"))
            #expect(try await following.json["follows"] == .bool(true))
            #expect(try await staying.json["follows"] == .bool(false))
        }
    }

    @Test func `a served set goes over to a backup that is accepted`() async throws {
        try await BackupNights.run { nights in
            for number in 0..<3 { try await nights.push("app\(number)", "1", seed: UInt64(number)) }
            await nights.export()
            let set = try await nights.set()
            await nights.registry.change(try RepositoryName("app2")) { $0.tags = [:] }
            await nights.export()
            let suspect = try #require(try await set.backups().last)
            #expect(suspect.header.suspect != nil)
            let following = try await FollowedBackups(set, at: nil, in: nights.environment)
            #expect(await following.backup != suspect)
            try await set.accept(suspect)
            nights.clock.advance(hours: 1)
            _ = try await following.repositories()
            #expect(await following.backup == suspect)
        }
    }

    @Test func `a pull that has begun comes to its end when a newer backup is served and the older one is gone`()
        async throws
    {
        try await BackupNights.run { nights in
            let old = try await nights.push("app", "1", seed: 1, layers: [100, 3_000_000])
            await nights.export()
            let set = try await nights.set()
            let first = try await set.find("latest")
            let following = try await FollowedBackups(set, at: nil, in: nights.environment)
            /// The tag moves, the backup goes, its blobs too.
            @Sendable func replace() async throws {
                try await nights.push("app", "1", seed: 2, layers: [200])
                #expect(await nights.export().exitCode == 0)
                try await set.forget(because: "test") { _ in [first.id] }
                #expect(try await set.prune().trashed.blobs == 4)
            }
            try await TestRegistry.run(over: following, writable: false) { host in
                try await withClient(of: host) { source in
                    #expect(try await source.resolve(.tag(one)).digest == old.descriptor.digest)
                    let layer = try #require(old.children.last)
                    try await source.read(layer) { content in
                        var count = 0
                        try await content.forEachChunk { chunk in
                            if count == 0 { try await replace() }
                            count += chunk.readableBytes
                        }
                        #expect(count == 3_000_000)
                    }
                    let moved = try await source.resolve(.tag(one))
                    #expect(moved.digest != old.descriptor.digest)
                    // What this client has not asked for yet: the manifest by its digest, and the other blobs.
                    #expect(try await source.manifest(old.descriptor).bytes == old.bytes)
                    for blob in old.children { try await source.read(blob) { try await $0.verify() } }
                    nights.clock.advance(hours: FollowedBackups.grace / 3_600_000)
                    await #expect(throws: RegistryError.self) { _ = try await source.manifest(old.descriptor) }
                }
            }
        }
    }
}
