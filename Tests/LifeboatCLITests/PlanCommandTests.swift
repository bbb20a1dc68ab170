import Foundation
import OCI
import TestSupport
import Testing

/// `plan`, and `run` of a plan, as the built command does them.
@Suite struct PlanCommandTests {
    private func withWorld(
        _ body:
            @escaping @Sendable (_ old: MemoryStore, _ new: MemoryStore, _ folder: String, _ hosts: [String: String])
            async throws -> Void
    ) async throws {
        try await TwoRegistries.run(over: SmallWorld.store()) { world in
            let text = """
                version: 1
                name: nightly
                inputs:
                  OLD: {}
                  NEW: {description: where it goes}
                  REPOSITORY: {default: "**"}
                stores: {old: {registry: $OLD}, new: {registry: $NEW}}
                images: [{repositories: $REPOSITORY}]
                steps: [{name: move, import: {from: old, to: new, overwrite: always, onError: continue}}]
                """
            try Data(text.utf8).write(to: URL(fileURLWithPath: world.folder + "/p.yaml"))
            try await body(world.old, world.new, world.folder, ["OLD": world.from, "NEW": world.to])
        }
    }

    private func json(_ text: String) throws -> JSONValue { try JSONValue(parsing: Array(text.utf8), in: "output") }

    @Test func `plans and reports replace plans and reports, and nothing else`() async throws {
        try await withWorld { _, _, folder, hosts in
            try Data("a backup".utf8).write(to: URL(fileURLWithPath: folder + "/a.tar"))
            let definition = try Data(contentsOf: URL(fileURLWithPath: folder + "/p.yaml"))
            for arguments in [
                ["plan", "p.yaml", "--out", "a.tar"], ["plan", "p.yaml", "--out", "p.yaml"],
                ["run", "p.yaml", "--report", "p.yaml"], ["run", "p.yaml", "--html", "a.tar"],
            ] {
                let result = try await Lifeboat.run(arguments, in: folder, environment: hosts)
                #expect(result.status == 73, "\(arguments): \(result.errors)")
            }
            #expect(try Data(contentsOf: URL(fileURLWithPath: folder + "/a.tar")) == Data("a backup".utf8))
            #expect(try Data(contentsOf: URL(fileURLWithPath: folder + "/p.yaml")) == definition)
            let same = try await Lifeboat.run(
                ["run", "p.yaml", "--html", "x", "--report", "x"], in: folder, environment: hosts)
            #expect(same.status == 64)
            for _ in 0..<2 {
                let plan = try await Lifeboat.run(
                    ["plan", "p.yaml", "--out", "plan.json"], in: folder, environment: hosts)
                #expect(plan.status == 0, "\(plan.errors)")
                let run = try await Lifeboat.run(
                    ["run", "p.yaml", "--html", "r.html", "--report", "r.json"], in: folder, environment: hosts)
                #expect(run.status == 0, "\(run.errors)")
            }
        }
    }

    @Test func `--check says by its exit code whether anything would change`() async throws {
        try await withWorld { _, new, folder, hosts in
            let before = try await Lifeboat.run("plan", "p.yaml", "--check", in: folder, environment: hosts)
            #expect(before.status == 4, "\(before.errors)")
            #expect(before.output.contains("  4 images to move, at most "), "\(before.output)")
            #expect(before.output.hasSuffix("nothing was written\n"))
            #expect(await new.repositories().isEmpty)
            #expect(try await Lifeboat.run("run", "p.yaml", in: folder, environment: hosts).status == 0)
            let after = try await Lifeboat.run("plan", "p.yaml", "--check", in: folder, environment: hosts)
            #expect(after.status == 0, "\(after.output)")
            #expect(after.output.contains("  0 images to move, at most 0 B; 4 already there"), "\(after.output)")
        }
    }

    @Test func `a row names the image once, and twice where it is renamed`() async throws {
        try await withWorld { _, _, folder, hosts in
            let (from, to) = (hosts["OLD", default: ""], hosts["NEW", default: ""])
            let same = try await Lifeboat.run("import", "\(from)/team/app:2", "--to", to, "--dry-run", in: folder)
            #expect(same.output.hasPrefix("import: import \(from) → \(to)\n  copy  "), "\(same.output)")
            #expect(same.output.contains(" team/app:2  [team/app:2]\n"), "\(same.output)")
            let other = try await Lifeboat.run(
                "copy", "\(from)/team/app:2", "\(to)/x/app:3", "--dry-run", in: folder)
            #expect(other.output.contains(" team/app:2 → x/app:3  ["), "\(other.output)")
        }
    }

    @Test func `--json is the plan on stdout and nothing else`() async throws {
        try await withWorld { _, _, folder, hosts in
            let result = try await Lifeboat.run("plan", "p.yaml", "--json", in: folder, environment: hosts)
            #expect(result.status == 0)
            #expect(result.errors.isEmpty)
            let plan = try json(result.output)
            #expect(plan["changes"] == .bool(true))
            #expect(plan["totals"]?["copy"] == .number(4))
            #expect(plan["definition"]?["file"] == .string("p.yaml"))
        }
    }

    @Test func `--input decides what is planned and run, before the environment`() async throws {
        try await withWorld { _, new, folder, hosts in
            let environment = hosts.merging(["REPOSITORY": "nothing/like/it"]) { $1 }
            let plan = try await Lifeboat.run(
                "plan", "p.yaml", "--json", "--input", "REPOSITORY=base", in: folder, environment: environment)
            #expect(try json(plan.output)["totals"]?["copy"] == .number(1))
            let run = try await Lifeboat.run(
                "run", "p.yaml", "--input", "REPOSITORY=base", in: folder, environment: environment)
            #expect(run.status == 0, "\(run.errors)")
            #expect(await new.repositories().map(\.description) == ["base"])
            let unknown = try await Lifeboat.run("plan", "p.yaml", "--input", "AT=x", in: folder, environment: hosts)
            #expect(unknown.status == 64)
            #expect(unknown.errors.contains("p.yaml has no input 'AT'"), "\(unknown.errors)")
        }
    }

    @Test func `validate takes inputs, and names those that are missing`() async throws {
        try await withWorld { _, _, folder, _ in
            let missing = try await Lifeboat.run("validate", "p.yaml", in: folder)
            #expect(missing.status == 78)
            let words = "p.yaml:4:8: inputs.OLD: not given: --input OLD=VALUE"
            #expect(missing.output.contains(words), "\(missing.output)")
            let given = try await Lifeboat.run(
                "validate", "p.yaml", "--input", "OLD=a.example.com", "--input", "NEW=b.example.com", in: folder)
            #expect(given.status == 0, "\(given.output)\(given.errors)")
            #expect(given.output == "p.yaml: ok\n")
        }
    }

    @Test func `a plan that was kept is run as it is`() async throws {
        try await withWorld { old, new, folder, hosts in
            let plan = try await Lifeboat.run(
                "plan", "p.yaml", "--out", "plan.json", in: folder, environment: hosts)
            #expect(plan.status == 0, "\(plan.errors)")
            let twice = try await Lifeboat.run("plan", "plan.json", in: folder, environment: hosts)
            #expect(twice.status == 64 && twice.errors.contains("plan.json is a plan already"), "\(twice.errors)")
            #expect(twice.errors.contains("try: lifeboat run plan.json"), "\(twice.errors)")
            // What comes later is not in it.
            try await SeededImages.push(
                to: try await old.target(RepositoryName("late/app")), seed: 9, tags: [Tag("1")])
            let run = try await Lifeboat.run("run", "plan.json", in: folder, environment: hosts)
            #expect(run.status == 0, "\(run.output)\(run.errors)")
            #expect(try await SmallWorld.digests(new).count == 4)
            #expect(await new.repositories().map(\.description) == ["base", "team/app"])
            // Interrupted or done: again is no difference.
            let again = try await Lifeboat.run("run", "plan.json", in: folder, environment: hosts)
            #expect(again.status == 0, "\(again.output)\(again.errors)")
        }
    }

    @Test func `a plan is not run when the world has moved, or the definition`() async throws {
        try await withWorld { old, new, folder, hosts in
            #expect(
                try await Lifeboat.run("plan", "p.yaml", "--out", "plan.json", in: folder, environment: hosts).status
                    == 0)
            try await SeededImages.push(
                to: try await old.target(RepositoryName("team/app")), seed: 9, tags: [Tag("2")])
            let moved = try await Lifeboat.run("run", "plan.json", in: folder, environment: hosts)
            #expect(moved.status == 73, "\(moved.output)\(moved.errors)")
            #expect(moved.errors.contains("the world has moved since the plan was made: "), "\(moved.errors)")
            #expect(moved.errors.contains("/team/app:2 is sha256:"), "\(moved.errors)")
            #expect(await new.repositories().isEmpty)

            let path = folder + "/p.yaml"
            var text = String(decoding: try bytes(of: path), as: UTF8.self)
            text += "# changed\n"
            try Data(text.utf8).write(to: URL(fileURLWithPath: path))
            let changed = try await Lifeboat.run("run", "plan.json", in: folder, environment: hosts)
            #expect(changed.status == 73)
            #expect(changed.errors.contains("p.yaml has changed since the plan was made"), "\(changed.errors)")
        }
    }

    @Test func `signatures that came later wait for their turn, or for --rescan now`() async throws {
        try await withWorld { old, new, folder, hosts in
            let state = ["--state", folder + "/state"]
            func run(_ more: String...) async throws -> Program.Result {
                try await Lifeboat.run(["run", "p.yaml"] + state + more, in: folder, environment: hosts)
            }
            #expect(try await run().status == 0)
            let app = try RepositoryName("team/app")
            let image = try await old.source(app).resolve(.tag(Tag("2")))
            try await SeededImages.push(to: await old.target(app), seed: 70, subject: image)
            let there = await new.source(app)
            let now = try await run("--rescan", "now")
            #expect(now.status == 0, "\(now.errors)")
            #expect(try await there.referrers(of: image.digest).count == 1)
            let wrong = try await run("--rescan", "often")
            #expect(wrong.status == 64)
            #expect(wrong.errors.contains("--rescan: 'often' is not an interval"), "\(wrong.errors)")
        }
    }

    @Test func `an archive and a folder call the images of a part of a registry the same`() async throws {
        try await withWorld { _, new, folder, hosts in
            let (from, to) = (hosts["OLD", default: ""], hosts["NEW", default: ""])
            let text = """
                version: 1
                stores: {old: {registry: "\(from)/team"}, tar: {archive: x.tar}, folder: {layout: x}}
                steps:
                  - {name: pack, export: {from: old, to: tar}}
                  - {name: spread, export: {from: old, to: folder}}
                """
            try Data(text.utf8).write(to: URL(fileURLWithPath: folder + "/q.yaml"))
            let run = try await Lifeboat.run("run", "q.yaml", in: folder)
            #expect(run.status == 0, "\(run.output)\(run.errors)")
            let archive = try await Lifeboat.run("list", "x.tar", in: folder)
            let layout = try await Lifeboat.run("list", "x/", in: folder)
            #expect(archive.output.contains("app"), "\(archive.output)\(archive.errors)")
            #expect(!archive.output.contains("team/app"), "\(archive.output)")
            #expect(layout.output == archive.output)
            for source in ["x.tar", "x/"] {
                let name = source == "x/" ? "folder" : "tar"
                let again = try await Lifeboat.run("import", source, "--to", "\(to)/\(name)", in: folder)
                #expect(again.status == 0, "\(again.output)\(again.errors)")
            }
            #expect(await new.repositories().map(\.description) == ["folder/app", "tar/app"])
        }
    }

    @Test func `a registry with a prefix is what stands under it, on every side`() async throws {
        try await withWorld { _, new, folder, hosts in
            let (from, to) = (hosts["OLD", default: ""], hosts["NEW", default: ""])
            let text = """
                version: 1
                stores: {old: {registry: "\(from)/team"}, new: {registry: "\(to)/mirror/x"}}
                steps:
                  - {name: move, import: {from: old, to: new}}
                  - {name: check, verify: {store: new, against: old}}
                """
            try Data(text.utf8).write(to: URL(fileURLWithPath: folder + "/q.yaml"))
            let run = try await Lifeboat.run("run", "q.yaml", "--json", in: folder)
            #expect(run.status == 0, "\(run.output)\(run.errors)")
            #expect(await new.repositories().map(\.description) == ["mirror/x/app"])
            let steps = try #require(try json(run.output)["steps"]).array("steps")
            #expect(steps[1]["comparison"]?["same"] == .number(3))
            // What is checked is called mirror/x/app, and there is no such thing in what it is held against.
            let verify = try await Lifeboat.run("verify", to + "/mirror/x/app:2", "--against", from + "/team")
            #expect(verify.status == 66, "\(verify.output)\(verify.errors)")
        }
    }
}
