import Foundation
import OCI
import TestSupport
import Testing

/// `--report` and `--html` are of this run, whatever comes of it.
@Suite struct RunReportTests {
    private func json(_ path: String) throws -> JSONValue {
        try JSONValue(parsing: [UInt8](bytes(of: path)), in: path)
    }

    private func write(_ new: String, _ folder: String, steps: String) throws {
        let text = """
            version: 1
            name: nightly
            stores: {old: {registry: $OLD}, new: {registry: '\(new)'}}
            steps: [\(steps)]
            """
        try Program.write(text, to: folder + "/p.yaml")
    }

    private let move = "{name: move, import: {from: old, to: new}}"

    @Test func `a definition that is wrong leaves its own report, not the one before`() async throws {
        try await TwoRegistries.run(over: SmallWorld.store()) { world in
            let (from, to, folder) = (world.from, world.to, world.folder)
            func run(_ more: String...) async throws -> Program.Result {
                try await Lifeboat.run(
                    ["run", "p.yaml", "--report", "r.json", "--html", "r.html"] + more, in: folder,
                    environment: ["OLD": from])
            }
            try write(to, folder, steps: move)
            #expect(try await run().status == 0)
            #expect(try json(folder + "/r.json")["exitCode"] == .number(0))

            try write(to, folder, steps: "{name: move, import: {from: old, too: new}}")
            let wrong = try await run()
            #expect(wrong.status == 78, "\(wrong.errors)")
            let report = try json(folder + "/r.json")
            #expect(report["exitCode"] == .number(78))
            #expect(report["steps"] == .array([]))
            #expect(report["error"]?["class"] == .string("policy"))
            #expect(report["error"]?["message"]?.stringValue?.contains("unknown key") ?? false, "\(report)")
            let page = try Program.text(of: folder + "/r.html")
            #expect(page.contains("did not begin") && page.contains("unknown key"), "\(page)")

            // Nothing of it was reached: all of it is repeated.
            try write(to, folder, steps: move)
            let again = try await run("--only-failed", "r.json")
            #expect(again.status == 0, "\(again.output)\(again.errors)")
            #expect(again.output.hasPrefix("move: 4 already there"), "\(again.output)")
        }
    }

    @Test func `a plan that is stale leaves its own report`() async throws {
        try await TwoRegistries.run(over: SmallWorld.store()) { world in
            let folder = world.folder
            try write(world.to, folder, steps: move)
            let plan = try await Lifeboat.run(
                "plan", "p.yaml", "--out", "plan.json", in: folder, environment: ["OLD": world.from])
            #expect(plan.status == 0, "\(plan.errors)")
            try await SeededImages.push(
                to: try await world.old.target(RepositoryName("base")), seed: 9, tags: [Tag("1")])
            let run = try await Lifeboat.run("run", "plan.json", "--report", "r.json", in: folder)
            #expect(run.status == 73, "\(run.output)\(run.errors)")
            let report = try json(folder + "/r.json")
            #expect(report["exitCode"] == .number(73))
            #expect(
                report["error"]?["message"]?.stringValue?.contains("the world has moved") ?? false, "\(report)")
            #expect(await world.new.repositories().isEmpty)
        }
    }

    @Test func `a verification that cannot begin leaves its own report`() async throws {
        try await withTemporaryFolder { folder in
            try Program.write("{\n  \"began\": \"yesterday\"}", to: folder + "/r.json")
            let run = try await Lifeboat.run(
                "verify", "a.example.com/x:1", "--against", "b.tar", "--image", "x", "--report", "r.json", in: folder)
            #expect(run.status == 64, "\(run.output)\(run.errors)")
            #expect(try json(folder + "/r.json")["exitCode"] == .number(64))
        }
    }
}
