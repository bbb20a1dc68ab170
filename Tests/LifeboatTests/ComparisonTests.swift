import Foundation
import OCI
import TestSupport
import Testing

@testable import Lifeboat

/// The certificate says what is the same, what is not, and what is besides.
@Suite struct ComparisonTests {
    private func withPair(
        _ body:
            @escaping @Sendable (_ old: MemoryStore, _ new: MemoryStore, _ from: String, _ to: String) async throws ->
            Void
    ) async throws {
        let (old, new) = (MemoryStore(name: "old"), MemoryStore(name: "new"))
        for store in [old, new] {
            let web = try await store.target(RepositoryName("team/web"))
            for seed in 1...3 { try await SeededImages.push(to: web, seed: UInt64(seed), tags: [Tag("1.\(seed)")]) }
        }
        try await TestRegistry.run(over: old) { from in
            try await TestRegistry.run(over: new) { to in try await body(old, new, from, to) }
        }
    }

    private func verify(_ from: String, _ to: String, _ rule: String = #"{repositories: ["**"]}"#, deep: Bool = true)
        async throws
        -> Report
    {
        try await withTemporaryFolder { folder in
            let text = """
                version: 1
                stores: {new: {registry: '\(to)'}, old: {registry: '\(from)'}}
                steps:
                  - verify: {store: new, against: old, deep: \(deep), images: [\(rule)]}
                """
            let pipeline = try Pipeline(parsing: Array(text.utf8), file: "p.yaml", variables: [:])
            return await Runner(.test(in: folder)).run(pipeline.steps, name: pipeline.name)
        }
    }

    @Test func `equal sides have one digest`() async throws {
        try await withPair { _, _, from, to in
            let report = try await verify(from, to)
            let certificate = try #require(report.steps[0].comparison)
            #expect(report.exitCode == 0)
            #expect(certificate.isEqual)
            #expect(certificate.listedDigest == certificate.comparedDigest)
            #expect(certificate.listedCount == 3)
            #expect(certificate.comparedCount == 3)
            #expect(certificate.extra.isEmpty)
            // Three images, each with a config and layers of 1,000 and 20,000 bytes.
            #expect(certificate.reread?.images == 3)
            #expect((certificate.reread?.bytes ?? 0) > 63_000)
        }
    }

    @Test func `every difference is named, and what is besides is information`() async throws {
        try await withPair { old, new, from, to in
            let web = try await old.target(RepositoryName("team/web"))
            try await SeededImages.push(to: web, seed: 9, tags: [Tag("1.2")])
            try await SeededImages.push(to: web, seed: 10, tags: [Tag("1.9")])
            for (name, tag) in [("team/web", "1.99"), ("team/new", "1.0"), ("other", "2.0")] {
                try await SeededImages.push(to: try await new.target(RepositoryName(name)), seed: 11, tags: [Tag(tag)])
            }
            let report = try await verify(from, to, #"{repositories: ["team/**"], tags: ["1.*"]}"#)
            let certificate = try #require(report.steps[0].comparison)
            #expect(certificate.same == 2)
            #expect(certificate.differences.map(\.name) == ["team/web:1.2", "team/web:1.9"])
            #expect(certificate.extra == ["team/new:1.0", "team/web:1.99"])
            #expect(certificate.listedDigest != certificate.comparedDigest)
            #expect(certificate.listedCount == 4)
            #expect(certificate.comparedCount == 3)
            #expect(report.exitCode == 73)
        }
    }

    @Test func `a mapping does not make the sides differ`() async throws {
        try await withPair { old, _, from, to in
            let mirror = MemoryStore(name: "mirror")
            let web = try await mirror.target(RepositoryName("mirror/team/web"))
            for seed in 1...3 { try await SeededImages.push(to: web, seed: UInt64(seed), tags: [Tag("1.\(seed)")]) }
            try await SeededImages.push(
                to: try await mirror.target(RepositoryName("elsewhere")), seed: 4, tags: [Tag("1.0")])
            try await TestRegistry.run(over: mirror) { host in
                let report = try await verify(from, host + "/mirror")
                #expect(report.exitCode == 0, "\(report.json.indented)")
                #expect(report.steps[0].comparison?.isEqual == true)
                #expect(report.steps[0].comparison?.extra == [])
            }
        }
    }

    @Test func `only a deep comparison finds a byte that is wrong behind the right digest`() async throws {
        try await withPair { old, new, from, to in
            let web = try await new.source(RepositoryName("team/web"))
            let manifest = try await web.manifest(try await web.resolve(.tag(Tag("1.1"))))
            let layer = try #require(manifest.children.last)
            let damaged = FlippingStore(store: new, blob: layer.digest)
            let spool = ManifestSpool(fileSystem: RunEnvironment.test(in: "/").fileSystem, folder: "unused")
            let source = old
            let selected = try await Selector(store: source).select(.all)
            let outcome = try await StoreComparison(other: damaged, naming: Naming(), spool: spool)
                .compare(selected.selected, by: .all, from: source)
            #expect(outcome.comparison.isEqual)
            var plan = Plan()
            for present in outcome.present {
                let reader = SpooledReader(source: try await damaged.source(present.image.repository), spool: spool)
                plan.items.append(
                    PlanItem(
                        source: present.image, store: damaged, targetRepository: present.image.repository,
                        targetTag: present.image.tag, action: .copy,
                        graph: try await ImageGraph.read(present.image.descriptor, from: reader)))
            }
            var retry = RetryPolicy()
            retry.firstDelay = .milliseconds(1)
            let read = try await Transfer(
                targets: [Nowhere()], spool: spool, surroundings: .ofThisMachine, retry: retry
            ).run(plan)
            #expect(read.reports.compactMap { $0.error?.kind } == [.damaged])
        }
    }

    @Test func `an archive is the measure of the registry that it was restored to`() async throws {
        try await withPair { _, _, from, to in
            try await withTemporaryFolder { folder in
                let text = """
                    version: 1
                    stores: {old: {registry: '\(from)'}, new: {registry: '\(to)'}, file: {archive: '\(folder)/a.tar'}}
                    steps:
                      - export: {from: old, to: file}
                      - verify: {store: new, against: file}
                      - verify: {store: file, against: old, deep: true}
                    """
                let pipeline = try Pipeline(parsing: Array(text.utf8), file: "p.yaml", variables: [:])
                let report = await Runner(.test(in: folder)).run(pipeline.steps, name: pipeline.name)
                #expect(report.exitCode == 0, "\(report.json.indented)")
                let certificates = report.steps.compactMap(\.comparison)
                #expect(certificates.map(\.isEqual) == [true, true])
                #expect(certificates[0].listedDigest == certificates[1].listedDigest)
                #expect((certificates[1].reread?.bytes ?? 0) > 63_000)
            }
        }
    }
}
