import OCI
import OCIRegistry
import Synchronization
import TestSupport
import Testing

@testable import Lifeboat

/// What planning and repeating a run cost, request by request.
@Suite struct PlanRequestsTests {
    private static let day: Int64 = 86_400_000
    private static let start: Int64 = 1_795_200_000_000

    /// Repositories of distinct images, some of which share a tag's digest.
    private func seeded(_ repositories: Int, tags: Int) async throws -> MemoryStore {
        let store = MemoryStore(name: "old")
        for repository in 0..<repositories {
            let target = try await store.target(RepositoryName("team/app-\(repository)"))
            for tag in 0..<tags {
                try await SeededImages.push(
                    to: target, seed: UInt64(repository * tags + tag), layerSizes: [100], tags: [Tag("1.\(tag)")])
            }
        }
        return store
    }

    private func withWorld(
        _ repositories: Int, tags: Int,
        _ body: @escaping @Sendable (World) async throws -> Void
    ) async throws {
        let (old, new) = (try await seeded(repositories, tags: tags), MemoryStore(name: "new"))
        try await withTemporaryFolder { folder in
            try await TestRegistry.run(over: old) { from in
                try await TestRegistry.run(over: new) { to in
                    try await body(World(old: old, new: new, from: from, to: to, folder: folder))
                }
            }
        }
    }

    private struct World: Sendable {
        let old: MemoryStore
        let new: MemoryStore
        let from: String
        let to: String
        let folder: String
        let lookups = RememberedLookups()

        func steps(_ rule: String) throws -> [Step] {
            let text = """
                version: 1
                stores: {old: {registry: '\(from)'}, new: {registry: '\(to)'}}
                images: [\(rule)]
                steps: [{name: move, import: {from: old, to: new, overwrite: always}}]
                """
            return try Pipeline(parsing: Array(text.utf8), file: "p.yaml", variables: [:]).steps
        }

        func environment(day: Int64 = 0) -> RunEnvironment {
            var environment = RunEnvironment.test(in: folder)
            environment.surroundings = Surroundings(
                clock: ContinuousClock(), now: { PlanRequestsTests.start + day * PlanRequestsTests.day },
                random: { 7 })
            environment.referrerLookups = lookups
            return environment
        }

        func plan(_ rule: String = "{repositories: '**'}", day: Int64 = 0) async throws -> StepPlan {
            try #require(try await PipelinePlanner(environment(day: day)).plan(steps(rule), name: "p").steps.first)
        }

        @discardableResult
        func run(_ rule: String = "{repositories: '**'}", day: Int64 = 0) async throws -> StepReport {
            let report = await Runner(environment(day: day)).run(try steps(rule), name: "p")
            #expect(report.exitCode == 0, "\(report.steps.flatMap(\.failures).map(\.message))")
            return report.steps[0]
        }
    }

    @Test func `planning costs the tag pages, a request for each manifest and a look-up for each new one`()
        async throws
    {
        try await withWorld(5, tags: 20) { world in
            let step = try await world.plan()
            #expect(step.images.count == 100 && step.images.allSatisfy { $0.action == .copy })
            #expect(step.planning[world.from] == ["list": 6, "manifest": 100, "referrers": 100])
            // Each repository is asked for its first tag, and then whether it is there at all.
            #expect(step.planning[world.to] == ["head": 5, "list": 5])
            #expect(step.error == nil)
        }
    }

    @Test func `where nothing has changed an image costs one question at each side`() async throws {
        try await withWorld(3, tags: 10) { world in
            try await world.run()
            let again = try await world.run()
            #expect(again.count(.alreadyThere) == 30)
            #expect(again.requests == ["list": 4, "head": 60])
            let plan = try await world.plan()
            #expect(plan.planning[world.from] == ["list": 4, "head": 30])
            #expect(plan.planning[world.to] == ["head": 30])
        }
    }

    @Test func `a tag that moved is asked for, and its manifest read once`() async throws {
        try await withWorld(1, tags: 10) { world in
            try await world.run()
            let app = try await world.old.target(RepositoryName("team/app-0"))
            try await SeededImages.push(to: app, seed: 99, tags: [Tag("1.3"), Tag("new")])
            let plan = try await world.plan()
            #expect(plan.images.filter { $0.action == .replace }.map(\.source).count == 1)
            // The new tag is read by its name; what the moved one points to is known by then, or the other way about.
            #expect(plan.planning[world.from]?["head"] == 10)
            #expect((1...2).contains(plan.planning[world.from]?["manifest"] ?? 0))
            #expect(plan.planning[world.from]?["referrers"] == 1)
            #expect(plan.planning[world.to] == ["head": 11])
        }
    }

    @Test func `one platform costs its index, and its manifest only where the target lacks it`() async throws {
        try await withWorld(1, tags: 1) { world in
            let app = try await world.old.target(RepositoryName("team/app-0"))
            let child = try await SeededImages.push(to: app, seed: 50)
            var descriptor = child.descriptor
            descriptor.platform = Platform(os: "linux", architecture: "amd64")
            let index = try Manifest(SeededImages.index([descriptor]), mediaType: .ociIndex, from: "test")
            try await app.push(index, tags: [Tag("1.0")])
            let rule = "{repositories: '**', platforms: linux/amd64}"
            let first = try await world.plan(rule)
            #expect(first.images.map(\.digest) == [child.descriptor.digest])
            #expect(first.planning[world.from] == ["list": 2, "manifest": 2, "referrers": 1])
            try await world.run(rule)
            let second = try await world.plan(rule)
            #expect(second.images.map(\.action) == [.alreadyThere])
            #expect(second.planning[world.from] == ["list": 2, "manifest": 1])
        }
    }

    @Test func `images by digest are read by it, and not at all where the target has them`() async throws {
        try await withWorld(1, tags: 1) { world in
            let app = try await world.old.source(RepositoryName("team/app-0"))
            let digest = try await app.resolve(.tag(Tag("1.0"))).digest
            let rule = "{repositories: team/app-0, digests: ['\(digest)']}"
            #expect(try await world.plan(rule).planning[world.from]?["manifest"] == 1)
            try await world.run(rule)
            let again = try await world.plan(rule)
            #expect(again.images.map(\.action) == [.alreadyThere])
            #expect(again.planning[world.from]?["manifest"] == nil)
        }
    }

    // MARK: rescan

    @Test func `a signature that comes later is brought within the interval, and each image is looked up once in it`()
        async throws
    {
        try await withWorld(2, tags: 15) { world in
            try await world.run()
            let app = try await world.old.target(RepositoryName("team/app-1"))
            let image = try await world.old.source(RepositoryName("team/app-1")).resolve(.tag(Tag("1.7")))
            let signature = try await SeededImages.push(to: app, seed: 77, subject: image)
            var lookups: [Int] = []
            for day in 1...Int64(7) { lookups.append(try await world.run(day: day).requests["referrers"] ?? 0) }
            let there = try await world.new.source(RepositoryName("team/app-1"))
            #expect(try await there.referrers(of: image.digest).map(\.digest) == [signature.descriptor.digest])
            // Thirty images, and once the signature itself, which may be signed too; then the signed one again.
            #expect((30...33).contains(lookups.reduce(0, +)), "\(lookups)")
            #expect(lookups.allSatisfy { $0 < 15 }, "\(lookups)")
        }
    }

    @Test func `rescan says how often, and zero is each time`() async throws {
        try await withWorld(1, tags: 8) { world in
            let always = "{repositories: '**', referrers: {rescan: 0s}}"
            let daily = "{repositories: '**', referrers: {rescan: 1d}}"
            try await world.run(always)
            #expect(try await world.run(always).requests["referrers"] == 8)
            #expect(try await world.run(daily).requests["referrers"] == nil)
            #expect(try await world.run(daily, day: 1).requests["referrers"] == 8)
            #expect(try await world.run(daily, day: 1).requests["referrers"] == nil)
            // What is remembered of all types says nothing of some.
            #expect(
                try await world.run("{repositories: '**', referrers: {types: ['a/*']}}").requests["referrers"] == 8)
            #expect(try await world.run("{repositories: '**', referrers: false}", day: 9).requests["referrers"] == nil)
            var now = world.environment(day: 1)
            now.rescan = .zero
            let report = await Runner(now).run(try world.steps(daily), name: "p")
            #expect(report.steps[0].requests["referrers"] == 8)
        }
    }

    @Test func `an image that could not be moved is looked up again`() async throws {
        try await withWorld(1, tags: 2) { world in
            let plan = try await world.plan()
            #expect(plan.planning[world.from]?["referrers"] == 2)
            // A plan alone brings nothing, and so it remembers nothing.
            #expect(world.lookups.count == 0)
            try await world.run()
            #expect(world.lookups.count == 2)
        }
    }

    @Test func `without a memory they are looked up each time, and a memory that fails is told of once`() async throws {
        try await withWorld(1, tags: 5) { world in
            var forgetful = world.environment()
            forgetful.referrerLookups = nil
            let steps = try world.steps("{repositories: '**'}")
            _ = await Runner(forgetful).run(steps, name: "p")
            #expect(await Runner(forgetful).run(steps, name: "p").steps[0].requests["referrers"] == 5)
            forgetful.referrerLookups = BrokenLookups()
            let report = await Runner(forgetful).run(steps, name: "p")
            #expect(report.exitCode == 0)
            #expect(report.steps[0].requests["referrers"] == 5)
            #expect(report.steps[0].notes == ["referrers are looked up in each run: the disk is gone"])
        }
    }

    @Test func `each digest has its own moment in the interval`() {
        let digests = (0..<700).map { Digest(of: Array("\($0)".utf8)) }
        let week = Duration.seconds(7 * 86_400)
        var due: [Int] = []
        for day in 1...Int64(7) {
            let (last, now) = (Self.start + (day - 1) * Self.day, Self.start + day * Self.day)
            due.append(digests.count { ReferrerRotation.isDue($0, last: last, now: now, interval: week) })
        }
        #expect(due.reduce(0, +) == 700)
        #expect(due.allSatisfy { (60...140).contains($0) }, "\(due)")
        #expect(ReferrerRotation.isDue(digests[0], last: Self.start + 1, now: Self.start, interval: week))
    }
}

private final class RememberedLookups: ReferrerLookups {
    private let times = Mutex<[ReferrerWay: [Digest: Int64]]>([:])

    var count: Int { times.withLock { $0.values.reduce(0) { $0 + $1.count } } }

    func lastLookups(_ way: ReferrerWay) async throws -> [Digest: Int64] { times.withLock { $0[way] ?? [:] } }

    func record(_ digests: [Digest], _ way: ReferrerWay, at time: Int64) async throws {
        times.withLock { times in
            for digest in digests { times[way, default: [:]][digest] = time }
        }
    }
}

private struct BrokenLookups: ReferrerLookups {
    func lastLookups(_ way: ReferrerWay) async throws -> [Digest: Int64] {
        throw LifeboatError(.local, "the disk is gone")
    }

    func record(_ digests: [Digest], _ way: ReferrerWay, at time: Int64) async throws {
        throw LifeboatError(.local, "the disk is gone")
    }
}
