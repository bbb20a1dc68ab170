import Foundation
import OCI
import OCIArchive
import TestSupport
import Testing

/// Backup sets, by the command.
struct BackupCommandTests {
    @Test func `two nights, a look at both, the way back, and a second place`() async throws {
        let (old, new) = (try await seededStore(), MemoryStore(name: "new"))
        try await withTemporaryFolder { folder in
            try await TestRegistry.run(over: old) { from in
                try await TestRegistry.run(over: new) { to in
                    let set = folder + "/nightly"
                    func run(_ words: String...) async throws -> Program.Result {
                        try await Lifeboat.run(words, in: folder)
                    }
                    let made = try await run("backups", "init", set)
                    #expect(made.status == 0 && made.output == "\(set) is a backup set\n", "\(made.errors)")
                    let first = try await run("export", from, "--to", set + "/")
                    #expect(first.status == 0, "\(first.errors)")
                    #expect(first.output.hasPrefix("export: 11 images moved"), "\(first.output)")
                    // Backups of one second have no order.
                    try await Task.sleep(for: .milliseconds(1100))
                    try await SeededImages.push(
                        to: try await old.target(RepositoryName("team/app1")), seed: 900, tags: [Tag("latest")])
                    let second = try await run("export", from, "--to", set)
                    #expect(second.output.hasPrefix("export: 1 image moved, 10 already there"), "\(second.output)")
                    let again = try await run("export", from, "--to", set, "--dry-run", "--json")
                    let plan = try JSONValue(parsing: Array(again.output.utf8), in: "plan")
                    #expect(plan["bytes"] == .number(0) || plan["steps"] != nil)

                    let backups = try await BackupSet.open(set, surroundings: .ofThisMachine).backups()
                    #expect(backups.count == 2)
                    #expect(backups.map(\.header.pipeline) == ["export", "export"])
                    let listed = try await run("list", set, "--at", String(backups[0].id.hex.prefix(8)))
                    #expect(listed.output.contains("11 images"), "\(listed.output)")

                    let verified = try await run("verify", set)
                    #expect(verified.status == 0 && verified.output.contains("verified"), "\(verified.output)")
                    let compared = try await run("verify", from, "--against", set)
                    #expect(compared.status == 0, "\(compared.output)")
                    #expect(compared.output.hasPrefix("verify: 11 images equal, 0 different"), "\(compared.output)")
                    let earlier = try await run("verify", from, "--against", set, "--at", backups[0].name)
                    #expect(earlier.status == 73, "\(earlier.output)")
                    #expect(earlier.output.contains("10 images equal, 1 different"), "\(earlier.output)")

                    let restored = try await run(
                        "restore", set, "--to", to, "--at", backups[0].moment.description, "--first", "multi")
                    #expect(restored.status == 0, "\(restored.errors)")
                    #expect(
                        restored.errors.contains(
                            "backup \(backups[0].name) of \(from), taken \(backups[0].moment), 0 min before "))
                    #expect(restored.output.contains("check: 11 images equal, 0 different"), "\(restored.output)")
                    let renamed = try await run(
                        "restore", set, "--backup", backups[1].name, "--to", to + "/mirror", "--image", "team/app1",
                        "--rename", "team/(.*)=\\1")
                    #expect(renamed.status == 0, "\(renamed.errors)")
                    let found = try await new.source(RepositoryName("mirror/app1")).tags()
                    #expect(found.map(\.description) == ["1.1", "latest"])

                    let copied = try await run("backups", "copy", set, folder + "/offsite")
                    #expect(copied.status == 0, "\(copied.errors)")
                    #expect(copied.output.hasPrefix("2 backups copied, 0 already there"), "\(copied.output)")
                    let twice = try await run("backups", "copy", set, folder + "/offsite")
                    #expect(twice.output.hasPrefix("0 backups copied, 2 already there, 0 B"), "\(twice.output)")
                    let tar = try await run("export", folder + "/offsite", "--at", backups[0].name, "--to", "full.tar")
                    #expect(tar.status == 0, "\(tar.errors)")
                    let added = try await run("backups", "add", set, "full.tar")
                    #expect(added.status == 0 && added.output.hasPrefix("add: 11 already there"), "\(added.output)")
                }
            }
        }
    }

    @Test func `what cannot be is said in one line with a way out`() async throws {
        try await withTemporaryFolder { folder in
            let set = folder + "/set"
            #expect(try await Lifeboat.run("backups", "init", set).status == 0)
            let empty = try await Lifeboat.run("restore", set, "--to", "new.example.com")
            #expect(empty.status == 66)
            #expect(empty.errors.contains("has no backup yet"))
            let none = try await Lifeboat.run("restore", folder + "/nowhere", "--to", "new.example.com")
            #expect(none.status == 66 && none.errors.contains("check the path, and that its disk is mounted"))
            let tar = try await Lifeboat.run("list", folder + "/x.tar", "--at", "latest")
            #expect(tar.status == 64 && tar.errors.contains("--at chooses a backup of a set"))
            let both = try await Lifeboat.run(
                "restore", set, "--to", "h.example.com", "--at", "latest", "--backup", "ab")
            #expect(both.status == 64)
            try "thesis".write(toFile: folder + "/thesis.tex", atomically: true, encoding: .utf8)
            let taken = try await Lifeboat.run("backups", "init", folder)
            #expect(taken.status == 73 && taken.errors.contains("has other things in it"))
        }
    }

    @Test func `a suspect backup is exit code 3 until it is accepted`() async throws {
        let store = try await seededStore()
        try await withTemporaryFolder { folder in
            try await TestRegistry.run(over: store) { host in
                let set = folder + "/set"
                #expect(try await Lifeboat.run("backups", "init", set).status == 0)
                #expect(try await Lifeboat.run("export", host, "--to", set).status == 0)
                let multi = try await store.target(RepositoryName("multi")) as? any DeletingTarget
                _ = try await multi?.untag(Tag("1"))
                let shrunk = try await Lifeboat.run("export", host, "--to", set)
                #expect(shrunk.status == 3, "\(shrunk.output)")
                #expect(shrunk.output.contains("1 repository gone") && shrunk.output.contains("multi"))
                let backups = try await BackupSet.open(set, surroundings: .ofThisMachine).backups()
                let suspect = try #require(backups.first { $0.header.suspect != nil })
                let accepted = try await Lifeboat.run("backups", "accept", set, suspect.name)
                #expect(accepted.status == 0 && accepted.output.contains("is believed, although 1 repository gone"))
                #expect(try await Lifeboat.run("export", host, "--to", set).status == 0)
            }
        }
    }
}
