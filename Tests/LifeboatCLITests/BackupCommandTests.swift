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
                    let same = try await run("backups", "copy", set, set + "/")
                    #expect(same.status == 64 && same.errors.contains("are the same set"), "\(same.errors)")
                    let tar = try await run("export", folder + "/offsite", "--at", backups[0].name, "--to", "full.tar")
                    #expect(tar.status == 0, "\(tar.errors)")
                    let added = try await run("backups", "add", set, "full.tar")
                    #expect(added.status == 0 && added.output.hasPrefix("add: 11 already there"), "\(added.output)")
                }
            }
        }
    }

    @Test func `of a set that pipelines share every verb says which backup it takes, and takes another one`()
        async throws
    {
        let store = try await seededStore()
        try await withTemporaryFolder { folder in
            try await TestRegistry.run(over: store) { host in
                func run(_ words: String...) async throws -> Program.Result {
                    try await Lifeboat.run(words, in: folder)
                }
                #expect(try await run("backups", "init", "set").status == 0)
                for (name, rule) in [("apps", "team/**"), ("multi", "multi")] {
                    try """
                    {version: 1, name: \(name), stores: {r: {registry: '\(host)'}, s: {backups: set}},
                     images: [{repositories: ['\(rule)']}], steps: [{name: export, export: {from: r, to: s}}]}
                    """.write(toFile: "\(folder)/\(name).yaml", atomically: true, encoding: .utf8)
                    let ran = try await run("run", name + ".yaml")
                    #expect(ran.status == 0, "\(ran.output)\(ran.errors)")
                    try await Task.sleep(for: .milliseconds(1100))
                }
                let note = "it is the newest of all; the set has others beside it (apps, from \(host))"
                let listed = try await run("list", "set")
                #expect(listed.output.contains("1 image in 1 repository"), "\(listed.output)")
                #expect(listed.errors.contains(note), "\(listed.errors)")
                let other = try await run("list", "set", "--pipeline", "apps")
                #expect(other.output.contains("10 images in 5 repositories"), "\(other.output)")
                #expect(!other.errors.contains(note), "\(other.errors)")
                let tar = try await run("export", "set", "--to", "multi.tar")
                #expect(tar.status == 0 && tar.errors.contains(note), "\(tar.errors)")
                let apps = try await run("export", "set", "--pipeline", "apps", "--to", "apps.tar")
                #expect(apps.output.hasPrefix("export: 10 images moved"), "\(apps.output)")
                let compared = try await run("verify", host, "--against", "set")
                #expect(compared.errors.contains(note), "\(compared.errors)")
                let part = try await run("verify", host, "--against", "set", "--pipeline", "apps")
                #expect(part.output.hasPrefix("verify: 10 images equal"), "\(part.output)")
                let since = try await run("export", host + "/team/**", "--since", "set", "--to", "a.tar")
                #expect(since.errors.contains("since " + note), "\(since.errors)")
                let delta = try await run(
                    "export", host + "/team/**", "--since", "set", "--pipeline", "apps", "--to", "b.tar")
                #expect(delta.status == 0 && !delta.errors.contains(note), "\(delta.errors)")
                #expect(try bytes(of: folder + "/b.tar").count < bytes(of: folder + "/a.tar").count)
                let none = try await run("list", "multi.tar", "--pipeline", "apps")
                #expect(none.status == 64 && none.errors.contains("--pipeline chooses a backup of a set"))
                // A definition has no flags, and says it in its report.
                try """
                {version: 1, stores: {s: {backups: set}, t: {archive: again.tar}},
                 images: [{repositories: ['**']}], steps: [{name: out, export: {from: s, to: t}}]}
                """.write(toFile: folder + "/out.yaml", atomically: true, encoding: .utf8)
                let ran = try await run("run", "out.yaml")
                #expect(ran.output.contains("at: ID chooses one of those"), "\(ran.output)")
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
            for (path, words) in [
                ("x.tar", "is a file and no backup set"), ("empty", "is not a backup set: it has no folder records"),
            ] {
                if path == "empty" {
                    try FileManager.default.createDirectory(
                        atPath: folder + "/empty", withIntermediateDirectories: false)
                } else {
                    try Data([1]).write(to: URL(fileURLWithPath: folder + "/x.tar"))
                }
                let other = try await Lifeboat.run("restore", folder + "/" + path, "--to", "new.example.com")
                #expect(other.status == 64 && other.errors.contains(words), "\(other.status) \(other.errors)")
                #expect(other.errors.contains("try: "), "\(other.errors)")
            }
            for name in ["x.tar", "empty"] { try FileManager.default.removeItem(atPath: folder + "/" + name) }
            try "thesis".write(toFile: folder + "/thesis.tex", atomically: true, encoding: .utf8)
            let taken = try await Lifeboat.run("backups", "init", folder)
            #expect(taken.status == 73 && taken.errors.contains("has other things in it"))
        }
    }

    @Test func `a copy that finds damage says which backup it was not`() async throws {
        let store = try await seededStore(images: 1)
        try await withTemporaryFolder { folder in
            let set = folder + "/set"
            #expect(try await Lifeboat.run("backups", "init", set).status == 0)
            try await TestRegistry.run(over: store) { host in
                let export = try await Lifeboat.run("export", host, "--to", set)
                #expect(export.status == 0, "\(export.errors)")
            }
            let backups = try await BackupSet.open(set, surroundings: .ofThisMachine).backups()
            let source = try await store.source(RepositoryName("team/app0"))
            let blob = try #require(try await source.manifest(source.resolve(.tag(.latest))).children.last).digest
            try FileManager.default.removeItem(atPath: set + "/blobs/sha256/" + blob.hex)
            let copied = try await Lifeboat.run("backups", "copy", set, folder + "/other")
            #expect(copied.status == 65, "\(copied.output)\(copied.errors)")
            let words = "backup \(backups[0].name) of \(backups[0].moment) was not copied: "
            #expect(copied.errors.contains(words), "\(copied.errors)")
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
