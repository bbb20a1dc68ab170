import Foundation
import OCI
import TestSupport
import Testing

/// Names and patterns that lead nowhere, as the built command tells of them.
@Suite struct NamingCommandTests {
    private func world(
        _ body:
            @escaping @Sendable (_ set: String, _ to: String, _ new: MemoryStore, _ old: MemoryStore) async throws ->
            Void
    ) async throws {
        let old = try await SmallWorld.store()
        // Another image than the one that team/app calls so.
        try await SeededImages.push(to: try await old.target(RepositoryName("base")), seed: 40, tags: [Tag("2")])
        try await TwoRegistries.run(over: old) { world in
            let set = world.folder + "/set"
            let made = try await Lifeboat.run("backups", "init", set)
            #expect(made.status == 0, "\(made.errors)")
            let backup = try await Lifeboat.run("export", world.from, "--to", set)
            #expect(backup.status == 0, "\(backup.errors)")
            try await body(set, world.to, world.new, world.old)
        }
    }

    @Test func `a rename and a first that match nothing are told`() async throws {
        try await world { set, to, new, _ in
            let result = try await Lifeboat.run(
                "restore", set, "--to", to, "--rename", "base=bottom", "--rename", "team=crew", "--first", "nope/*",
                "--first", "team/*")
            #expect(result.status == 0, "\(result.output)\(result.errors)")
            let words = "note: rename 'team → crew' matches no repository; the pattern is for the whole name"
            #expect(result.output.contains(words), "\(result.output)")
            #expect(!result.output.contains("rename 'base"), "\(result.output)")
            #expect(result.output.contains("note: first 'nope/*:*' matches no image"), "\(result.output)")
            #expect(!result.output.contains("first 'team"), "\(result.output)")
            #expect(await new.repositories().map(\.description) == ["bottom", "team/app"])
            let plan = try await Lifeboat.run(
                "restore", set, "--to", to + "/x", "--rename", "team=crew", "--dry-run")
            #expect(plan.output.contains(words), "\(plan.output)")
        }
    }

    @Test func `two repositories that would become one are told of once, with what to change`() async throws {
        try await world { set, to, new, _ in
            let result = try await Lifeboat.run("restore", set, "--to", to, "--rename", "(base|team/app)=all")
            #expect(result.status == 78, "\(result.output)\(result.errors)")
            #expect(result.output.contains("would both become all:"), "\(result.output)")
            #expect(
                result.output.contains("try: change rename, so that each repository has a name of its own"),
                "\(result.output)")
            // Nothing was restored: what is not there needs no list.
            #expect(!result.output.contains("has no "), "\(result.output)")
            #expect(
                result.output.contains("note: not run, because of the failures: check"), "\(result.output)")
            #expect(await new.repositories().isEmpty)
        }
    }

    @Test func `a restore with one conflict is 3, and with nothing else 73`() async throws {
        try await world { set, to, new, _ in
            try await SeededImages.push(to: try await new.target(RepositoryName("base")), seed: 77, tags: [Tag("1")])
            let some = try await Lifeboat.run("restore", set, "--to", to)
            #expect(some.status == 3, "\(some.output)\(some.errors)")
            let none = try await Lifeboat.run("restore", set, "--to", to, "--image", "base:1")
            #expect(none.status == 73, "\(none.output)\(none.errors)")
        }
    }

    @Test func `tags that would become one are a matter of retag`() async throws {
        try await world { set, to, _, _ in
            let text = """
                version: 1
                stores: {set: {backups: \(set)}, new: {registry: "\(to)"}}
                steps: [{import: {from: set, to: new, retag: [{from: ".*", into: all}]}}]
                """
            let file = set + "/../p.yaml"
            try Program.write(text, to: file)
            let result = try await Lifeboat.run("run", file)
            #expect(result.status == 78, "\(result.output)\(result.errors)")
            #expect(
                result.output.contains("try: change retag, so that each tag has a name of its own"), "\(result.output)")
        }
    }
}
