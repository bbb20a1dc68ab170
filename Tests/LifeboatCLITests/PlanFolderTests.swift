import Foundation
import OCI
import TestSupport
import Testing

/// A plan is run from anywhere, by anybody: what it was made with stands in it, but for secrets.
@Suite struct PlanFolderTests {
    /// A definition in `defs/` that packs a registry into an archive beside it and sends that on.
    private func withWorld(
        _ body:
            @escaping @Sendable (_ folder: String, _ from: String, _ to: String, _ new: MemoryStore) async throws ->
            Void
    ) async throws {
        try await TwoRegistries.run(over: SmallWorld.store()) { world in
            let text = """
                version: 1
                name: nightly
                inputs: {OLD: {}, WHAT: {default: "**"}}
                stores:
                  old: {registry: $OLD, credentials: {username: $USERNAME, password: $SECRET}}
                  pack: {archive: out/images.tar}
                  new: {registry: $PLACE}
                images: [{repositories: $WHAT}]
                steps:
                  - {name: pack, export: {from: old, to: pack}}
                  - {name: move, import: {from: pack, to: new}}
                """
            try FileManager.default.createDirectory(
                atPath: world.folder + "/elsewhere/defs/out", withIntermediateDirectories: true)
            try Program.write(text, to: world.folder + "/elsewhere/defs/p.yaml")
            try await body(world.folder, world.from, world.to, world.new)
        }
    }

    @Test func `a plan holds its inputs and variables, and is run from another folder without them`() async throws {
        try await withWorld { folder, from, to, new in
            let secrets = ["USERNAME": "deploy", "SECRET": "hunter2"]
            let plan = try await Lifeboat.run(
                "plan", "defs/p.yaml", "--out", "plan.json", "--input", "OLD=\(from)", in: folder + "/elsewhere",
                environment: secrets.merging(["PLACE": to, "WHAT": "team/*"]) { $1 })
            #expect(plan.status == 0, "\(plan.output)\(plan.errors)")
            #expect(
                plan.output.hasSuffix("nothing was written but the plan: lifeboat run plan.json does it\n"),
                "\(plan.output)")
            let text = try Program.text(of: folder + "/elsewhere/plan.json")
            #expect(!text.contains("hunter2") && !text.contains("deploy"), "\(text)")
            #expect(!text.contains(folder), "\(text)")
            let definition = try JSONValue(parsing: Array(text.utf8), in: "plan")["definition"]
            #expect(definition?["file"] == .string("defs/p.yaml"))
            #expect(definition?["inputs"] == .object(["OLD": .string(from), "WHAT": .string("team/*")]))
            #expect(definition?["variables"] == .object(["PLACE": .string(to)]))

            // Elsewhere, with another value for each of them, and after the folder was moved.
            try FileManager.default.moveItem(atPath: folder + "/elsewhere", toPath: folder + "/moved")
            let run = try await Lifeboat.run(
                "run", "../plan.json", in: folder + "/moved/defs",
                environment: secrets.merging(["PLACE": "127.0.0.1:1", "WHAT": "base"]) { $1 })
            #expect(run.status == 0, "\(run.output)\(run.errors)")
            #expect(await new.repositories().map(\.description) == ["team/app"])
            #expect(exists(folder + "/moved/defs/out/images.tar"))
        }
    }

    @Test func `what is secret is asked of whoever runs the plan`() async throws {
        try await withWorld { folder, from, to, _ in
            let all = ["USERNAME": "deploy", "SECRET": "hunter2", "PLACE": to, "OLD": from]
            let plan = try await Lifeboat.run(
                "plan", "elsewhere/defs/p.yaml", "--out", "plan.json", in: folder, environment: all)
            #expect(plan.status == 0, "\(plan.output)\(plan.errors)")
            let run = try await Lifeboat.run(
                "run", "plan.json", "--report", "r.json", in: folder, environment: ["USERNAME": "deploy"])
            #expect(run.status == 78, "\(run.output)\(run.errors)")
            #expect(run.errors.contains("the variable $SECRET is not set"), "\(run.errors)")
            #expect(!run.errors.contains("PLACE"), "\(run.errors)")
        }
    }
}
