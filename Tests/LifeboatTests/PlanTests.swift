import NIOCore
import OCI
import OCIArchive
import TestSupport
import Testing

@testable import Lifeboat

@Suite struct PlanTests {
    private func pipeline(_ steps: String, old: String, new: String, folder: String, more: String = "") throws
        -> Pipeline
    {
        let text = """
            version: 1
            stores:
              old: {registry: '\(old)'\(more)}
              new: {registry: '\(new)'}
              file: {archive: x.tar}
              folder: {layout: layout}
            steps:
            \(steps)
            """
        return try Pipeline(parsing: Array(text.utf8), file: folder + "/p.yaml", variables: [:])
    }

    private func environment(_ folder: String, _ pipeline: Pipeline) -> RunEnvironment {
        var environment = StoresTests.environment(folder).with(pipeline.settings)
        environment.surroundings = .ofThisMachine
        return environment
    }

    /// Two registries and a folder.
    private func withWorld(
        _ body:
            @escaping @Sendable (_ old: MemoryStore, _ new: MemoryStore, _ from: String, _ to: String, _ folder: String)
            async throws -> Void
    ) async throws {
        try await TwoRegistries.run(over: SmallWorld.store()) { world in
            try await body(world.old, world.new, world.from, world.to, world.folder)
        }
    }

    @Test func `a plan says for every image what will happen, and the run does as many requests and bytes at most`()
        async throws
    {
        try await withWorld { old, new, from, to, folder in
            let pipeline = try pipeline(
                "  - {name: move, import: {from: old, to: new}}", old: from, new: to, folder: folder)
            let environment = environment(folder, pipeline)
            let plan = try await PipelinePlanner(environment).plan(pipeline.steps, name: "p")
            let step = try #require(plan.steps.first)
            #expect(step.images.map(\.action) == Array(repeating: .copy, count: 4))
            #expect(step.images.allSatisfy { $0.rule == "**:*" })
            #expect(plan.hasChanges)
            #expect(plan.exitCode == 0)
            #expect(await new.repositories().isEmpty)
            #expect(try await LocalFileSystem().list(folder).isEmpty)
            // base:1 comes first, and brings what team/app:1 shares with it; so does 1 for latest.
            #expect(step.images.map { $0.bytes > 20_000 } == [true, true, true, false])
            #expect(step.images.reduce(0) { $0 + $1.bytes } == step.bytes)
            #expect(step.planning[from]?["list"] == 3)
            // Three tags of a repository, one of the other: each is read by its name, since the target has none of them.
            #expect(step.planning[from]?["manifest"] == 4 + 1)
            #expect(step.planning[from]?["head"] == nil)
            #expect(step.planning[from]?["referrers"] == 4)
            // One asked for its first tag alone, the other for its list before the second.
            #expect(step.planning[to] == ["head": 2, "list": 1])

            let report = await Runner(environment).run(pipeline.steps, name: "p")
            #expect(report.exitCode == 0)
            let done = report.steps[0]
            #expect(done.bytesMoved <= step.bytes + 4 * 2000)
            for kind in ["blob", "write", "mount"] {
                let planned = (step.requests[from]?[kind] ?? 0) + (step.requests[to]?[kind] ?? 0)
                #expect(done.requests[kind, default: 0] <= planned, "\(kind)")
            }
            #expect(done.requests["blob"] == step.requests[from]?["blob"])

            let again = try await PipelinePlanner(environment).plan(pipeline.steps, name: "p")
            #expect(again.steps[0].images.map(\.action) == Array(repeating: .alreadyThere, count: 4))
            #expect(!again.hasChanges)
            #expect(again.steps[0].bytes == 0)
        }
    }

    @Test func `a step that reads what one before writes is planned from that plan`() async throws {
        try await withWorld { _, new, from, to, folder in
            let steps = """
                  - {name: out, export: {from: old, to: file}}
                  - {name: in, import: {from: file, to: new}}
                  - {name: again, export: {from: new, to: folder}}
                  - {name: check, verify: {store: new, against: old}}
                """
            let pipeline = try pipeline(steps, old: from, new: to, folder: folder)
            let plan = try await PipelinePlanner(environment(folder, pipeline)).plan(pipeline.steps, name: "p")
            #expect(plan.steps.map(\.error?.message) == [nil, nil, nil, nil])
            let (out, into, again) = (plan.steps[0], plan.steps[1], plan.steps[2])
            #expect(out.images.count == 4)
            #expect(Set(into.images.compactMap(\.digest)) == Set(out.images.compactMap(\.digest)))
            #expect(Set(again.images.compactMap(\.digest)) == Set(out.images.compactMap(\.digest)))
            #expect(into.bytes == out.bytes)
            // The referrer is planned all the way.
            #expect(again.bytes == out.bytes)
            #expect(await new.repositories().isEmpty)
            #expect(try await LocalFileSystem().list(folder).isEmpty)

            let report = await Runner(environment(folder, pipeline)).run(pipeline.steps, name: "p")
            #expect(report.exitCode == 0, "\(report.steps.flatMap(\.failures).map(\.message))")
            let after = try await PipelinePlanner(environment(folder, pipeline)).plan(pipeline.steps, name: "p")
            #expect(!after.hasChanges)
        }
    }

    @Test func `a conflict and what is missing stand in the plan, with the exit code that the run would have`()
        async throws
    {
        try await withWorld { old, new, from, to, folder in
            try await SeededImages.push(
                to: try await new.target(RepositoryName("team/app")), seed: 9, tags: [Tag("1")])
            let steps = """
                  - {import: {from: old, to: new, images: [{repositories: team/app, tags: ["1", "2", "nope"]}]}}
                """
            let pipeline = try pipeline(steps, old: from, new: to, folder: folder)
            let plan = try await PipelinePlanner(environment(folder, pipeline)).plan(pipeline.steps, name: "p")
            #expect(
                plan.steps[0].images.map(\.action).sorted { $0.rawValue < $1.rawValue } == [.conflict, .copy, .failed])
            #expect(plan.exitCode == 3)
        }
    }

    @Test func `limits say how long it takes, and which of them binds`() async throws {
        try await withWorld { _, _, from, to, folder in
            let pipeline = try pipeline(
                "  - {name: move, import: {from: old, to: new}}", old: from, new: to, folder: folder,
                more: ", limits: {requests: 2000/s, bandwidth: 60kB/s}")
            let clock = ContinuousClock()
            let plan = try await PipelinePlanner(environment(folder, pipeline)).plan(pipeline.steps, name: "p")
            let step = plan.steps[0]
            #expect(step.limits.map(\.kind) == [.requests, .bandwidth])
            #expect(step.binding?.kind == .bandwidth)
            let seconds = try #require(plan.seconds)
            #expect(seconds > 1 && seconds < 2, "\(seconds)")
            // And it is true: a tenth of a second's worth is free.
            let took = await clock.measure {
                let report = await Runner(environment(folder, pipeline)).run(pipeline.steps, name: "p")
                #expect(report.exitCode == 0)
            }
            #expect(took > .seconds(seconds * 0.8), "\(took) of \(seconds)")
        }
    }

    @Test func `a plan that is written and read again is the same where it counts`() async throws {
        try await withWorld { _, new, from, to, folder in
            try await SeededImages.push(
                to: try await new.target(RepositoryName("base")), seed: 9, tags: [Tag("1")])
            let pipeline = try pipeline(
                "  - {name: move, import: {from: old, to: new, overwrite: always}}", old: from, new: to, folder: folder)
            var plan = try await PipelinePlanner(environment(folder, pipeline)).plan(pipeline.steps, name: "p")
            plan.definition = .init(
                file: "p.yaml", digest: try #require(pipeline.digest), moment: 7, inputs: ["A": "b"])
            let path = folder + "/plan.json"
            try await plan.write(to: ReportFile.prepare(path, replacing: .plan, in: LocalFileSystem()))
            let read = try #require(try await PipelinePlan.read(path, from: LocalFileSystem()))
            #expect(read.definition == plan.definition)
            #expect(read.steps.map(\.name) == ["move"])
            #expect(read.steps[0].images.map(\.action) == [.replace, .copy, .copy, .copy])
            #expect(read.steps[0].images.map(\.digest) == plan.steps[0].images.map(\.digest))
            #expect(read.steps[0].images.map(\.replaces) == plan.steps[0].images.map(\.replaces))
            #expect(try await LocalFileSystem().list(folder) == ["plan.json"])
        }
    }

    /// What may happen between a plan and its run, and what then happens.
    enum Change: String, CaseIterable, Sendable {
        case nothing, sourceTagMoved, sourceTagGone, newTagAtSource, targetTagCame, targetTagMoved, doneAlready
    }

    @Test(arguments: Change.allCases)
    func `a run of a plan does exactly that, or refuses`(_ change: Change) async throws {
        try await withWorld { old, new, from, to, folder in
            let (app, there) = (
                try await old.target(RepositoryName("team/app")), try await new.target(RepositoryName("team/app"))
            )
            try await SeededImages.push(to: there, seed: 8, tags: [Tag("2")])
            let pipeline = try pipeline(
                "  - {name: move, import: {from: old, to: new, overwrite: always}}", old: from, new: to, folder: folder)
            let environment = environment(folder, pipeline)
            let plan = try await PipelinePlanner(environment).plan(pipeline.steps, name: "p")
            switch change {
            case .nothing: break
            case .sourceTagMoved: try await SeededImages.push(to: app, seed: 30, tags: [Tag("1")])
            case .sourceTagGone: _ = try await (app as? any DeletingTarget)?.untag(Tag("1"))
            case .newTagAtSource: try await SeededImages.push(to: app, seed: 31, tags: [Tag("new")])
            case .targetTagCame: try await SeededImages.push(to: there, seed: 32, tags: [Tag("1")])
            case .targetTagMoved: try await SeededImages.push(to: there, seed: 33, tags: [Tag("2")])
            case .doneAlready: _ = await Runner(environment).run(pipeline.steps, name: "p")
            }
            let report = await Runner(environment.following(plan)).run(pipeline.steps, name: "p")
            let moved = try await old.source(RepositoryName("team/app"))
            let arrived = try await new.source(RepositoryName("team/app"))
            switch change {
            case .nothing, .newTagAtSource, .doneAlready:
                #expect(report.exitCode == 0, "\(report.steps.flatMap(\.failures).map(\.message))")
                for tag in ["1", "2", "latest"] {
                    #expect(try await moved.resolve(.tag(Tag(tag))) == arrived.resolve(.tag(Tag(tag))))
                }
                #expect(try await !arrived.tags().contains(Tag("new")))
            default:
                #expect(report.exitCode == 73)
                let message = report.steps[0].error?.message ?? ""
                #expect(message.hasPrefix("the world has moved since the plan was made: "), "\(message)")
                #expect(try await !arrived.tags().contains(Tag("latest")))
            }
        }
    }

    @Test func `an archive of another content is a conflict, and one of the same is there already`() async throws {
        try await withWorld { old, _, from, to, folder in
            let pipeline = try pipeline(
                "  - {name: out, export: {from: old, to: file}}", old: from, new: to, folder: folder)
            let environment = environment(folder, pipeline)
            let report = await Runner(environment).run(pipeline.steps, name: "p")
            #expect(report.exitCode == 0)
            let same = try await PipelinePlanner(environment).plan(pipeline.steps, name: "p")
            #expect(!same.hasChanges)
            #expect(same.steps[0].bytes == 0)
            try await SeededImages.push(
                to: try await old.target(RepositoryName("team/app")), seed: 40, tags: [Tag("3")])
            let other = try await PipelinePlanner(environment).plan(pipeline.steps, name: "p")
            #expect(other.exitCode == 73)
            #expect(
                other.steps[0].images.first?.failure?.message == "\(folder)/x.tar exists and holds something else")
        }
    }
}
