import Foundation
import NIOCore
import OCI
import OCIArchive
import TestSupport
import Testing

@testable import Lifeboat

/// Rehearsals of an outage, with the server that is shipped.
struct DrillTests {
    private static let serving: ServingStore = { store, writable, body in
        try await TestRegistry.run(over: store, writable: writable, body)
    }

    /// A layout folder with `team/app0:1` to `team/app4:1`.
    private func withLayout(
        _ body: (_ layout: String, _ environment: RunEnvironment, _ folder: String) async throws -> Void
    )
        async throws
    {
        try await withTemporaryFolder { folder in
            let layout = try await Layout.create(folder + "/layout", surroundings: .ofThisMachine)
            for number in 0..<5 {
                try await SeededImages.push(
                    to: layout.target(RepositoryName("team/app\(number)")), seed: UInt64(number),
                    layerSizes: [1000, 200_000], tags: [Tag("1")])
            }
            try await layout.flush()
            try await body(folder + "/layout", .test(in: folder + "/work"), folder)
        }
    }

    private func export(_ layout: String, to set: String, _ environment: RunEnvironment) async throws {
        let source = SourceDefinition(store: .layout(path: layout), selection: .all)
        let step = CopyStep(
            kind: .export, sources: [source], target: .backups(path: set, at: nil), overwrite: .never)
        let report = await Runner(environment).run([Step(name: "export", work: .copy(step))], name: "test")
        #expect(report.exitCode == 0)
    }

    @Test func `everything is served, restored and read back, and nothing is left of it`() async throws {
        try await withLayout { layout, environment, folder in
            let result = try await Drill(environment, serving: Self.serving).run(.layout(path: layout))
            #expect(result.failures.isEmpty)
            #expect(result.hasPassed && result.exitCode == 0)
            #expect(result.images.count == 5 && result.isWhole)
            #expect(result.bytes > 5 * 200_000)
            #expect(result.bytesInAll == result.bytes)
            #expect(result.bytesChecked == result.bytes)
            #expect(result.secondsToFirstPull != nil && result.secondsToRestore != nil)
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder + "/work").isEmpty)
            #expect(result.text.hasPrefix("passed: drill of \(layout) at "))
        }
    }

    @Test func `a sample is as large as it should be, and another one the next time`() async throws {
        try await withLayout { layout, environment, _ in
            var environment = environment
            environment.surroundings.random = { 0 }
            let drill = Drill(environment, serving: Self.serving)
            let first = try await drill.run(.layout(path: layout), sample: 2)
            #expect(first.images == ["team/app0:1", "team/app1:1"])
            #expect(!first.isWhole && first.bytesInAll > first.bytes)
            #expect(first.bytesChecked == first.bytes)
            environment.surroundings.random = { 3 }
            let second = try await Drill(environment, serving: Self.serving).run(.layout(path: layout), sample: 2)
            #expect(second.images != first.images && second.images.count == 2)
            let all = try await drill.run(.layout(path: layout), sample: 9)
            #expect(all.isWhole)
        }
    }

    @Test func `a damaged blob fails the drill, and the others are still restored`() async throws {
        try await withLayout { layout, environment, folder in
            let opened = try await Layout.open(layout, surroundings: .ofThisMachine)
            let source = opened.source(try RepositoryName("team/app3"))
            let manifest = try await source.manifest(try await source.resolve(.tag(Tag("1"))))
            let file = layout + "/blobs/sha256/" + manifest.children[2].digest.hex
            var bytes = try Data(contentsOf: URL(fileURLWithPath: file))
            bytes[100] ^= 1
            try bytes.write(to: URL(fileURLWithPath: file))
            let result = try await Drill(environment, serving: Self.serving).run(.layout(path: layout))
            #expect(!result.hasPassed)
            #expect(result.exitCode == 65)
            #expect(
                result.failures.contains { $0.kind == .damaged && $0.message.contains(manifest.children[2].digest.hex) }
            )
            #expect(result.text.hasPrefix("FAILED: "))
            #expect(result.secondsToRestore != nil)
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder + "/work").isEmpty)
        }
    }

    @Test func `objectives are reached or missed, and an unknown age misses`() {
        var result = DrillResult(store: "s", at: 10_000, objectives: DrillObjectives(rto: 60, rpo: 3600))
        result.images = ["a:1"]
        result.imagesInAll = 10
        result.bytes = 100
        result.bytesInAll = 1000
        result.secondsToRestore = 5
        result.backupTime = 9000
        #expect(result.secondsToFullRestore == 50)
        #expect(result.reachesRTO == true && result.reachesRPO == true)
        #expect(result.exitCode == 0)
        result.secondsToRestore = 7
        #expect(result.reachesRTO == false)
        #expect(result.exitCode == 78)
        #expect(
            result.text.contains(
                "about 1 min 10 s (1.00 kB at the rate of the sample), MISSES the objective of 1 min 0 s"))
        result.secondsToRestore = 5
        result.backupTime = 6000
        #expect(result.reachesRPO == false && result.exitCode == 78)
        result.backupTime = nil
        #expect(result.reachesRPO == false && result.exitCode == 78)
        result.objectives = DrillObjectives()
        #expect(result.exitCode == 0)
        result.failures = [
            FailureReport(LifeboatError(.unavailable, "x")), FailureReport(LifeboatError(.damaged, "y")),
        ]
        #expect(result.exitCode == 65)
    }

    @Test func `a set keeps dated evidence of the drill of its newest backup`() async throws {
        try await withLayout { layout, environment, folder in
            let path = folder + "/set"
            try await export(layout, to: path, environment)
            let definition = StoreDefinition.backups(path: path, at: nil)
            let drill = Drill(environment, serving: Self.serving)
            let result = try await drill.run(definition, objectives: DrillObjectives(rto: 3600, rpo: 3600))
            #expect(result.hasPassed, "\(result.text)")
            #expect(try await drill.keep(result, of: definition) == nil)
            let set = try await BackupSet.open(path, surroundings: .ofThisMachine, files: LocalFileSystem())
            let newest = try await set.find("latest")
            let rescue = try Program.text(of: path + "/RESCUE.md")
            #expect(rescue.contains("(id \(newest.id.hex.prefix(12)))") && rescue.contains("lifeboat serve \(path) "))
            #expect(result.backup == newest.id)
            let (evidence, damaged) = try await set.evidence("drilled")
            #expect(damaged.isEmpty)
            #expect(evidence.count == 1)
            #expect(try evidence.first?.backup == newest.id)
            #expect(evidence.first?.members["passed"] == .bool(true))
        }
    }

    @Test func `on a disk that can only be read a drill and a verification count, and say what they could not write`()
        async throws
    {
        try await withLayout { layout, environment, folder in
            let path = folder + "/set"
            try await export(layout, to: path, environment)
            var environment = environment
            environment.fileSystem = FaultyFiles { action, name, _ in
                let isWriting =
                    ["create", "rename", "remove", "sync"].contains(action)
                    || action == "open" && name.contains("lifeboat-tmp")
                return isWriting && name.hasPrefix(path) ? EROFS : nil
            }
            environment.serving = Self.serving
            let definition = StoreDefinition.backups(path: path, at: nil)
            let report = await Runner(environment).run(
                [
                    Step(name: "rehearse", work: .drill(DrillStep(store: definition, sample: 1))),
                    Step(
                        name: "read",
                        work: .verify(
                            VerifyStep(sources: [SourceDefinition(store: definition, selection: .all)], against: nil))),
                ], name: "weekly")
            #expect(report.exitCode == 0, "\(report.steps.flatMap(\.failures).map(\.message))")
            #expect(report.steps[0].notes.contains { $0.hasPrefix("the result was not kept in the set: cannot") })
            let notes = report.steps[1].images.flatMap(\.notes)
            #expect(
                notes.contains { $0.hasPrefix("the set was not told that it has been verified: cannot") }, "\(notes)")
            #expect(report.steps[1].bytesMoved > 0 || report.steps[1].images[0].bytesMoved > 0)
        }
    }

    @Test func `a step of a pipeline rehearses, and its objectives decide`() async throws {
        try await withLayout { layout, environment, folder in
            let path = folder + "/set"
            try await export(layout, to: path, environment)
            var environment = environment
            environment.serving = Self.serving
            environment.settings.objectives = Objectives(rpo: .seconds(3600), rto: .seconds(3600))
            let definition = StoreDefinition.backups(path: path, at: nil)
            let step = Step(name: "rehearse", work: .drill(DrillStep(store: definition, sample: 2)))
            let passed = await Runner(environment).run([step], name: "weekly")
            #expect(passed.exitCode == 0, "\(passed.steps[0].failures.map(\.message))")
            #expect(passed.steps[0].kind == .drill && passed.steps[0].drill?.images.count == 2)
            #expect(passed.json.text.contains("\"kind\":\"drill\""))
            environment.settings.objectives.rto = .nanoseconds(1)
            let missed = await Runner(environment).run([step], name: "weekly")
            #expect(missed.exitCode == 78)
            #expect(missed.steps[0].error?.message.contains("a full restore of \(path) takes about ") == true)
            let set = try await BackupSet.open(path, surroundings: .ofThisMachine, files: LocalFileSystem())
            let evidence = try await set.evidence(.drilled).evidence
            #expect(evidence.count == 2)
            let state = try await SetState.read(path, surroundings: .ofThisMachine, files: LocalFileSystem())
            #expect(state.drill != nil)
            environment.serving = nil
            #expect(await Runner(environment).run([step], name: "weekly").exitCode == 70)
            let plan = try await PipelinePlanner(environment).plan([step], name: "weekly")
            #expect(plan.exitCode == 0 && !plan.hasChanges)
            #expect(plan.steps[0].notes.contains { $0.contains("restores 2 images into a throw-away registry") })
        }
    }

    @Test func `registries that call different images the same are restored side by side`() async throws {
        try await BackupNights.run { nights in
            try await nights.push("app", "1", seed: 1)
            let other = MemoryStore(name: "other")
            try await SeededImages.push(
                to: try await other.target(RepositoryName("app")), seed: 2, layerSizes: [700, 4000], tags: [Tag("1")])
            try await TestRegistry.run(over: other) { host in
                var step = nights.step
                step.sources.append(SourceDefinition(store: .registry(host: host, prefix: ""), selection: .all))
                #expect(await nights.export(step).exitCode == 0)
            }
            let drill = Drill(nights.environment, serving: Self.serving)
            let result = try await drill.run(.backups(path: nights.path, at: nil))
            #expect(result.failures.isEmpty, "\(result.failures.map(\.message))")
            #expect(result.images.count == 2 && result.isWhole)
            #expect(result.bytesChecked == result.bytes && result.bytes > 8000)
        }
    }

    @Test func `a registry is no backup`() async throws {
        try await withTemporaryFolder { folder in
            let drill = Drill(.test(in: folder), serving: Self.serving)
            let error = await #expect(throws: LifeboatError.self) {
                _ = try await drill.run(.registry(host: "registry.example.com", prefix: ""))
            }
            #expect(error?.kind == .usage)
        }
    }

    @Test(arguments: [("90s", 90.0), ("30m", 1800), ("24h", 86_400), ("7d", 604_800), ("2w", 1_209_600)])
    func `a length of time is read`(text: String, seconds: Double) throws {
        #expect(try TimeSpan(parsing: text).seconds == seconds)
    }

    @Test(arguments: ["", "0s", "-1h", "1", "h", "1.5h", "1y", "99999999999999999999h", "1 h", "4000d"])
    func `what is no length of time is refused`(text: String) {
        let error = #expect(throws: LifeboatError.self) { try TimeSpan(parsing: text) }
        #expect(error?.kind == .usage)
    }
}
