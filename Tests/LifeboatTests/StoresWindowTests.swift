import OCI
import Synchronization
import TestSupport
import Testing

@testable import Lifeboat

@Suite struct StoresWindowTests {
    private func window(_ from: String, _ to: String, _ zone: String) throws -> RunWindow {
        try RunWindow(
            from: try RunWindow.minutes(parsing: from), to: try RunWindow.minutes(parsing: to), timeZone: zone)
    }

    @Test func `a window may reach over midnight, and goes by its zone's clocks`() throws {
        let berlin = try window("22:00", "06:00", "Europe/Berlin")
        let hour: Int64 = 3_600_000
        let summer: Int64 = 1_782_777_600_000  // 2026-06-30T00:00:00Z, 02:00 in Berlin
        #expect(berlin.contains(summer))
        #expect(berlin.contains(summer + 4 * hour - 1))
        #expect(!berlin.contains(summer + 4 * hour))
        #expect(!berlin.contains(summer + 20 * hour - 1))
        #expect(berlin.contains(summer + 20 * hour))
        let winter: Int64 = 1_767_225_600_000  // 2026-01-01T00:00:00Z, 01:00 in Berlin
        #expect(berlin.contains(winter + 5 * hour - 1))
        #expect(!berlin.contains(winter + 5 * hour))
        #expect(berlin.contains(winter + 21 * hour))
        #expect(!berlin.contains(winter + 21 * hour - 1))
        #expect(berlin.description == "22:00 to 06:00 Europe/Berlin")
    }

    @Test(arguments: [
        ("{from: '22:00', to: '06:00', timezone: Europe/Berlim}", "window: there is no time zone 'Europe/Berlim'"),
        ("{from: 22, to: '06:00'}", "window.from: '22' is not a time, want HH:MM in quotes"),
        ("{to: '06:00'}", "window.from: missing, want HH:MM"),
        ("{from: '06:00', to: '06:00'}", "window: the window begins and ends at the same time"),
        ("{from: '25:00', to: '06:00'}", "window.from: '25:00' is not a time, want HH:MM in quotes"),
    ])
    func `a wrong window says what is wanted`(_ text: String, _ expected: String) {
        let definition =
            "version: 1\nwindow: \(text)\nstores: {a: {registry: a.example.com}, b: {archive: b.tar}}\n"
            + "steps: [{export: {from: a, to: b}}]\n"
        let error = #expect(throws: DefinitionError.self) {
            try Pipeline(parsing: Array(definition.utf8), file: "p.yaml", variables: [:])
        }
        #expect(error?.description.contains(expected) ?? false, "\(error?.description ?? "")")
    }

    @Test func `outside of its window nothing is asked and nothing is done`() async throws {
        var settings = PipelineSettings()
        settings.window = try window("00:00", "01:00", "UTC")
        let step = Step(
            name: "x",
            work: .copy(
                CopyStep(
                    kind: .import,
                    sources: [
                        SourceDefinition(store: .registry(host: "127.0.0.1:1", prefix: ""), selection: .all)
                    ], target: .registry(host: "127.0.0.1:2", prefix: ""))))
        let report = await Runner(StoresTests.environment("/nonexistent", now: { 7_200_000 }).with(settings)).run(
            [step], name: "x")
        #expect(report.exitCode == 78)
        #expect(
            report.steps[0].error?.message == "nothing new is started outside its window, 00:00 to 01:00 UTC")
    }

    @Test func `a window that closes lets what is under way end, and starts nothing new`() async throws {
        let old = MemoryStore(name: "old")
        for number in 0..<4 {
            try await SeededImages.push(
                to: try await old.target(RepositoryName("app\(number)")), seed: UInt64(number), tags: [Tag("1")])
        }
        let new = MemoryStore(name: "new")
        let closed = LifeboatError(.policy, "closed")
        let left = Mutex(3 * 2)
        let spool = ManifestSpool(fileSystem: StoresTests.environment("").fileSystem, folder: "unused")
        let plan = try await Planner(target: new, naming: Naming(), overwrite: .never, spool: spool)
            .plan([Planner.Source(store: old, selection: .all)])
        var transfer = Transfer(
            targets: [new], spool: spool, surroundings: StoresTests.environment("").surroundings, concurrency: 1)
        transfer.permit = {
            let isOpen = left.withLock { left in
                left -= 1
                return left >= 0
            }
            if !isOpen { throw closed }
        }
        let outcome = try await transfer.run(plan)
        #expect(outcome.reports.count { $0.outcome == .done } == 2)
        #expect(outcome.reports.compactMap(\.error?.kind) == [.policy, .policy])
        #expect(await new.repositories().count == 2)
    }
}
