import Foundation
import OCI
import OCIArchive
import TestSupport
import Testing

@testable import Lifeboat

/// Every definition in `pipelines/` is planned and run against embedded registries.
@Suite struct ExamplesTests {
    /// A source with what the examples select, and an empty target.
    private func withRegistries(
        _ body:
            @escaping @Sendable (_ old: String, _ new: String, _ stores: (old: MemoryStore, new: MemoryStore))
            async throws ->
            Void
    ) async throws {
        let (old, new) = (MemoryStore(name: "old"), MemoryStore(name: "new"))
        for (number, name) in ["apps/web", "apps/db", "base/os", "team/web", "scratch/x"].enumerated() {
            let repository = try await old.target(RepositoryName(name))
            try await SeededImages.push(to: repository, seed: UInt64(number), tags: [Tag("1.0"), Tag("latest")])
            try await SeededImages.push(to: repository, seed: UInt64(number + 100), tags: [Tag("1.1-rc1")])
        }
        for name in ["apps/web", "apps/db"] { try await makeMultiPlatform(old, name) }
        try await TestRegistry.run(over: old) { from in
            try await TestRegistry.run(over: new) { to in try await body(from, to, (old, new)) }
        }
    }

    private func makeMultiPlatform(_ store: MemoryStore, _ name: String) async throws {
        let repository = try await store.target(RepositoryName(name))
        var children: [Descriptor] = []
        for (seed, architecture) in [(UInt64(50), "amd64"), (51, "arm64")] {
            var child = try await SeededImages.push(to: repository, seed: seed).descriptor
            child.platform = Platform(os: "linux", architecture: architecture)
            children.append(child)
        }
        try await repository.push(
            try Manifest(SeededImages.index(children), mediaType: .ociIndex, from: "seed"),
            tags: [Tag("1.0"), Tag("1.1-rc1"), Tag("latest")])
    }

    private func run(
        _ name: String, _ variables: [String: String], in folder: String, written: (any WrittenTags)? = nil
    ) async throws -> Report {
        let pipeline = try Pipeline(
            parsing: Array(try Examples.text(name).utf8), file: Examples.folder.path + "/" + name,
            variables: variables)
        #expect(pipeline.name + ".yaml" == name)
        var environment = RunEnvironment.test(in: folder)
        environment.writtenTags = written
        let report = await Runner(environment.with(pipeline.settings)).run(pipeline.steps, name: pipeline.name)
        let document = try JSONValue(parsing: Array(report.json.indented.utf8), in: "report")
        #expect(try SchemaValidator("report.schema.json").faults(document) == [])
        return report
    }

    @Test func `quickstart`() async throws {
        try await withTemporaryFolder { folder in
            try await withRegistries { old, new, _ in
                let variables = ["OLD_REGISTRY": old, "NEW_REGISTRY": new, "ARCHIVE": folder + "/a.tar"]
                let report = try await run("quickstart.yaml", variables, in: folder)
                #expect(report.exitCode == 0, "\(report.json.indented)")
                #expect(report.steps.last?.comparison?.same == 15)
            }
        }
    }

    @Test func `the migration is repeated until the cut-over, and leaves a certificate`() async throws {
        try await withTemporaryFolder { folder in
            try await withRegistries { old, new, stores in
                let variables = ["OLD_REGISTRY": old, "NEW_REGISTRY": new]
                let written = StepsOverwriteTests.Notebook()
                let first = try await run("migrate-to-zone-redundant.yaml", variables, in: folder, written: written)
                #expect(first.exitCode == 0, "\(first.json.indented)")
                #expect(first.steps[0].count(.done) == 15)
                let certificate = try #require(first.steps[1].comparison)
                #expect(certificate.isEqual && certificate.same == 15)
                #expect(certificate.listedDigest == certificate.comparedDigest)
                #expect(certificate.reread?.images == 15)
                #expect((certificate.reread?.bytes ?? 0) > 100_000)

                let second = try await run("migrate-to-zone-redundant.yaml", variables, in: folder, written: written)
                #expect(second.steps[0].count(.alreadyThere) == 15)
                #expect(second.steps[0].bytesMoved == 0)

                try await SeededImages.push(
                    to: try await stores.old.target(RepositoryName("team/web")), seed: 77, tags: [Tag("latest")])
                let third = try await run("migrate-to-zone-redundant.yaml", variables, in: folder, written: written)
                #expect(third.steps[0].count(.done) == 1)
                #expect(third.steps[0].images.compactMap(\.replaced).count == 1)
                #expect(third.steps[1].comparison?.isEqual == true)

                // A tag that somebody else moved at the target is left alone, and is the only difference.
                try await SeededImages.push(
                    to: try await stores.new.target(RepositoryName("team/web")), seed: 78, tags: [Tag("latest")])
                let fourth = try await run("migrate-to-zone-redundant.yaml", variables, in: folder, written: written)
                #expect(fourth.steps[0].images.compactMap { $0.error?.kind } == [.conflict])
                #expect(fourth.steps[1].comparison?.differences.map(\.name) == ["team/web:latest"])
                #expect(fourth.steps[1].comparison?.same == 14)
            }
        }
    }

    @Test func `the nightly backup adds what is new, and restores as of the latest or an earlier night`() async throws {
        try await withTemporaryFolder { folder in
            try await withRegistries { old, new, stores in
                let set = folder + "/nightly"
                let variables = ["REGISTRY": old, "BACKUPS": set]
                #expect(try await run("nightly-backup.yaml", variables, in: folder).exitCode == 0)
                try await SeededImages.push(
                    to: try await stores.old.target(RepositoryName("team/web")), seed: 78, tags: [Tag("2.0")])
                let second = try await run("nightly-backup.yaml", variables, in: folder)
                #expect(second.exitCode == 0, "\(second.json.indented)")
                #expect(second.steps[0].count(.done) == 1)
                #expect(second.steps[0].count(.alreadyThere) == 8)
                let backups = try await BackupSet.open(set, surroundings: .ofThisMachine).backups()
                let first = try #require(backups.first { $0.header.images == 8 })

                let earlier = try await run(
                    "restore-after-outage.yaml", ["REGISTRY": new, "BACKUPS": set, "AT": first.id.description],
                    in: folder)
                #expect(earlier.exitCode == 0, "\(earlier.json.indented)")
                #expect(earlier.steps[1].comparison?.same == 8)
                let latest = try #require(backups.first { $0.header.images == 9 })
                let restored = try await run(
                    "restore-after-outage.yaml", ["REGISTRY": new, "BACKUPS": set, "AT": latest.id.description],
                    in: folder)
                #expect(restored.exitCode == 0, "\(restored.json.indented)")
                #expect(restored.steps[1].comparison?.same == 9)
                #expect(
                    await stores.new.repositories().map(\.description) == [
                        "apps/db", "apps/web", "base/os", "team/web",
                    ])
            }
        }
    }

    @Test func `what crosses the air gap is checked on both sides`() async throws {
        try await withTemporaryFolder { folder in
            try await withRegistries { old, new, stores in
                let archive = folder + "/handout.tar"
                let packed = try await run("air-gap-export.yaml", ["REGISTRY": old, "ARCHIVE": archive], in: folder)
                #expect(packed.exitCode == 0, "\(packed.json.indented)")
                let unpacked = try await run("air-gap-import.yaml", ["REGISTRY": new, "ARCHIVE": archive], in: folder)
                #expect(unpacked.exitCode == 0, "\(unpacked.json.indented)")
                #expect(await stores.new.repositories().map(\.description).contains("handout/apps/web"))

                // One bit on the stick: nothing is imported.
                var bytes = try Data(contentsOf: URL(fileURLWithPath: archive))
                bytes[bytes.count / 2] ^= 1
                try bytes.write(to: URL(fileURLWithPath: archive))
                let damaged = try await run("air-gap-import.yaml", ["REGISTRY": new, "ARCHIVE": archive], in: folder)
                #expect(damaged.exitCode == 65)
                #expect(damaged.steps.count == 1)
            }
        }
    }

    @Test func `what has changed crosses the air gap in volumes`() async throws {
        try await withTemporaryFolder { folder in
            try await withRegistries { old, new, stores in
                let (first, second) = (folder + "/handout-1.tar", folder + "/handout-2.tar")
                let full = try await run("air-gap-export.yaml", ["REGISTRY": old, "ARCHIVE": first], in: folder)
                #expect(full.exitCode == 0, "\(full.json.indented)")
                let there = try await run("air-gap-import.yaml", ["REGISTRY": new, "ARCHIVE": first], in: folder)
                #expect(there.exitCode == 0, "\(there.json.indented)")
                for number in 0..<3 as Range<UInt64> {
                    try await SeededImages.push(
                        to: try await stores.old.target(RepositoryName("base/os")), seed: 500 + number,
                        layerSizes: [30_000], tags: [Tag("new\(number)")])
                }
                let packed = try await run(
                    "air-gap-delta.yaml", ["REGISTRY": old, "BASE": first, "ARCHIVE": second, "SIZE": "70kB"],
                    in: folder)
                #expect(packed.exitCode == 0, "\(packed.json.indented)")
                let volumes = try FileManager.default.contentsOfDirectory(atPath: folder).filter {
                    $0.hasPrefix("handout-2")
                }
                #expect(volumes.count > 1 && volumes.allSatisfy { $0.contains("-of-\(volumes.count)") }, "\(volumes)")
                let unpacked = try await run("air-gap-import.yaml", ["REGISTRY": new, "ARCHIVE": second], in: folder)
                #expect(unpacked.exitCode == 0, "\(unpacked.json.indented)")
                #expect(unpacked.steps[1].count(.done) == 3)
                let arrived = try await stores.new.source(RepositoryName("handout/base/os")).tags()
                #expect(arrived.map(\.description).contains("new2"))
            }
        }
    }

    @Test func `one image is promoted, and a released version never changes`() async throws {
        try await withTemporaryFolder { folder in
            try await withRegistries { old, new, stores in
                let variables = ["STAGING": old, "PRODUCTION": new, "REPOSITORY": "team/web", "TAG": "1.0"]
                let report = try await run("promote-one-image.yaml", variables, in: folder)
                #expect(report.exitCode == 0, "\(report.json.indented)")
                #expect(report.steps[1].comparison?.same == 1)
                try await SeededImages.push(
                    to: try await stores.old.target(RepositoryName("team/web")), seed: 79, tags: [Tag("1.0")])
                #expect(try await run("promote-one-image.yaml", variables, in: folder).exitCode == 73)
            }
        }
    }

    @Test func `every definition is one of those above, and its plan writes nothing`() async throws {
        #expect(try Examples.files() == Examples.names)
        try await withTemporaryFolder { folder in
            try await withRegistries { old, new, stores in
                for name in ["migrate-to-zone-redundant.yaml", "nightly-backup.yaml", "promote-one-image.yaml"] {
                    let pipeline = try Pipeline(
                        parsing: Array(try Examples.text(name).utf8), file: name,
                        variables: [
                            "OLD_REGISTRY": old, "NEW_REGISTRY": new, "REGISTRY": old, "STAGING": old,
                            "PRODUCTION": new, "BACKUPS": folder + "/x", "REPOSITORY": "team/web", "TAG": "1.0",
                        ])
                    let plan = try await Runner(.test(in: folder)).plan(pipeline.copyStep())
                    #expect(!plan.items.isEmpty && plan.failures.isEmpty, "\(name)")
                }
                #expect(await stores.new.repositories().isEmpty)
                #expect(try FileManager.default.contentsOfDirectory(atPath: folder).isEmpty)
            }
        }
    }
}
