import Foundation
import OCI
import TestSupport
import Testing

/// The verbs that look after backup sets, as they are built, on sets that an export has written.
@Suite struct BackupVerbTests {
    private struct Night: Sendable {
        var id: String
        var time: String
        var short: String { String(id.dropFirst(7).prefix(12)) }
    }

    private func json(_ result: Program.Result) throws -> JSONValue {
        try JSONValue(parsing: Array(result.output.utf8), in: "\(result.output)\(result.errors)")
    }

    private func array(_ value: JSONValue?) throws -> [JSONValue] { try #require(value).array("it") }

    private func text(_ value: JSONValue?) throws -> String { try #require(value?.stringValue) }

    /// Three nights of a registry: `1` and forty others stay, `2` moves, `old` goes after the first and `new` comes with the last.
    private func withNights(_ body: @escaping @Sendable (String, [Night]) async throws -> Void) async throws {
        let store = MemoryStore(name: "registry")
        let target = try await store.target(RepositoryName("team/app"))
        // So many that one less is no reason to doubt the listing.
        let staying = ["1"] + (0..<40).map { "c\($0)" }
        try await SeededImages.push(to: target, seed: 1, layerSizes: [5000], tags: try staying.map { try Tag($0) })
        try await withTemporaryFolder { folder in
            let set = folder + "/set"
            let made = try await Lifeboat.run("backups", "init", set)
            try #require(made.status == 0, "\(made.errors)")
            try await TestRegistry.run(over: store) { host in
                for night in 0..<3 {
                    try await SeededImages.push(
                        to: target, seed: 10 + UInt64(night), layerSizes: [5000],
                        tags: [Tag("2"), Tag(["old", "x", "new"][night])])
                    if night == 1 {
                        let deleting = try #require(target as? any DeletingTarget)
                        for tag in ["old", "x"] { _ = try await deleting.untag(Tag(tag)) }
                    }
                    let export = try await Lifeboat.run("export", host, "--to", set + "/")
                    try #require(export.status == 0, "\(export.output)\(export.errors)")
                    // Times of backups are whole seconds.
                    try await Task.sleep(for: .milliseconds(1100))
                }
                let list = try await Lifeboat.run("backups", "list", set, "--json")
                let nights = try self.array(try self.json(list)["backups"]).map {
                    Night(id: try self.text($0["id"]), time: try self.text($0["time"]))
                }
                try #require(nights.count == 3)
                try await body(set, nights)
            }
        }
    }

    @Test func `a set of several registries is restored one registry at a time`() async throws {
        try await withTemporaryFolder { folder in
            let path = folder + "/set"
            #expect(try await Lifeboat.run("backups", "init", path).status == 0)
            let (one, two) = (MemoryStore(name: "one"), MemoryStore(name: "two"))
            for (store, seed) in [(one, UInt64(1)), (two, 2)] {
                try await SeededImages.push(
                    to: try await store.target(RepositoryName("app")), seed: seed, tags: [Tag("1")])
            }
            try await TestRegistry.run(over: one) { first in
                try await TestRegistry.run(over: two) { second in
                    let export = try await Lifeboat.run("export", first, second, "--to", path + "/")
                    #expect(export.status == 0, "\(export.output)\(export.errors)")
                    let listed = try await Lifeboat.run("list", path)
                    for host in [first, second] {
                        #expect(listed.output.contains("\(host)/app:1  sha256:"), "\(listed.output)")
                    }
                    #expect(listed.output.contains("2 images in 2 repositories"), "\(listed.output)")
                    try await TestRegistry.run { target in
                        let both = try await Lifeboat.run("restore", path, "--to", target)
                        #expect(both.status == 78, "\(both.output)\(both.errors)")
                        #expect(both.output.contains("or one registry at a time: --registry HOST"), "\(both.output)")
                        for (registry, prefix) in [(first, "one"), (second, "two")] {
                            let result = try await Lifeboat.run(
                                "restore", path, "--to", target + "/" + prefix, "--registry", registry)
                            #expect(result.status == 0, "\(result.output)\(result.errors)")
                            #expect(result.output.contains("check: 1 image equal, 0 different"), "\(result.output)")
                        }
                    }
                }
            }
        }
    }

    @Test func `backups are listed, shown and compared`() async throws {
        try await withNights { set, nights in
            let list = try await Lifeboat.run("backups", "list", set)
            #expect(list.status == 0, "\(list.errors)")
            let lines = list.output.split(separator: "\n").map(String.init)
            #expect(
                lines.dropFirst().first?.hasPrefix("BACKUP        TIME                  IMAGES") ?? false,
                "\(list.output)")
            #expect(lines.count == 6 && lines[0].hasPrefix("export, from "), "\(list.output)")
            #expect(lines[2].hasPrefix("\(nights[0].short)  \(nights[0].time)      43"), "\(lines[2])")
            #expect(lines[2].hasSuffix("complete  never"))
            let show = try await Lifeboat.run("backups", "show", set, nights[2].short)
            #expect(show.output.contains("backup    \(nights[2].id)"), "\(show.output)")
            #expect(show.output.contains("/team/app:new  sha256:"))
            let shown = try self.json(try await Lifeboat.run("backups", "show", set, "--json"))
            #expect(shown["id"] == .string(nights[2].id))
            #expect(try self.array(shown["images"]).count == 43)
            let diff = try await Lifeboat.run("backups", "diff", set, nights[0].short, nights[2].short, "--json")
            let changes = try self.json(diff)
            #expect(try self.array(changes["added"]).count == 1)
            #expect(try self.array(changes["moved"]).count == 1)
            #expect(try self.array(changes["gone"]).count == 1)
            #expect(changes["same"] == .number(41))
            let words = try await Lifeboat.run("backups", "diff", set, nights[0].short, "latest")
            #expect(words.output.contains("1 added, 1 moved, 1 gone, 41 the same"), "\(words.output)")
            let verified = try await Lifeboat.run("verify", set)
            #expect(verified.status == 0, "\(verified.output)\(verified.errors)")
            let after = try await Lifeboat.run("backups", "list", set)
            #expect(!after.output.contains("never"), "\(after.output)")
        }
    }

    @Test func `a tag's history and a digest's holders are told, with a catalog and without`() async throws {
        try await withNights { set, nights in
            try await withTemporaryFolder { state in
                for catalog in ["none yet", "there", "damaged"] {
                    if catalog == "damaged" {
                        let path = state + "/lifeboat/catalog.sqlite"
                        let size = try bytes(of: path).count
                        try Data(repeating: 7, count: size).write(to: URL(fileURLWithPath: path))
                    }
                    let history = try await Lifeboat.run(
                        "history", set, "team/app:2", "--json", environment: ["XDG_STATE_HOME": state])
                    #expect(history.status == 0, "\(history.errors)")
                    let entries = try self.array(try self.json(history)["history"])
                    #expect(try entries.map { try self.text($0["firstBackup"]) } == nights.map(\.id), "\(catalog)")
                    let old = try await Lifeboat.run(
                        "history", set, "team/app:old", environment: ["XDG_STATE_HOME": state])
                    #expect(old.output.hasSuffix("not there\n"), "\(old.output)")
                    let digest = try self.text(entries[1]["digest"])
                    let found = try await Lifeboat.run(
                        "find", set, digest, "--json", environment: ["XDG_STATE_HOME": state])
                    let spans = try self.array(try self.json(found)["spans"])
                    #expect(try spans.map { try self.text($0["firstBackup"]) } == [nights[1].id], "\(catalog)")
                    #expect(found.errors.contains("the records are read instead") == (catalog == "damaged"))
                    // A layer: which image needs it, the manifests say.
                    let seed = SeededBytes.buffer(5000, seed: 1000)
                    let layer = try await Lifeboat.run(
                        "find", set, Digest(of: seed).description, environment: ["XDG_STATE_HOME": state])
                    #expect(layer.status == 0, "\(layer.errors)")
                    #expect(layer.output.contains("in 3 backups"), "\(layer.output)")
                    #expect(layer.output.contains("team/app:1 in the newest of them"), "\(layer.output)")
                }
                let rebuilt = try await Lifeboat.run(
                    "catalog", "rebuild", set, environment: ["XDG_STATE_HOME": state])
                #expect(rebuilt.status == 0)
                #expect(rebuilt.output.hasPrefix("\(set): 3 backups in the catalog "), "\(rebuilt.output)")
                #expect(rebuilt.errors.contains("catalog.sqlite.damaged"), "\(rebuilt.errors)")
                let never = try await Lifeboat.run("history", set, "team/app:never")
                #expect(never.status == 66)
                let nothing = try await Lifeboat.run(
                    "find", set, "sha256:" + String(repeating: "0", count: 64))
                #expect(nothing.status == 66)
            }
        }
    }

    @Test func `forget says first what goes, and prune what it frees`() async throws {
        try await withNights { set, nights in
            let plan = try await Lifeboat.run("forget", set, "--keep-last", "1", "--dry-run")
            #expect(plan.status == 0, "\(plan.errors)")
            #expect(plan.output.contains("keep last 1: 1 backup kept, 2 would be forgotten"), "\(plan.output)")
            let list = { try await Lifeboat.run("backups", "list", set, "--json") }
            #expect(try self.array(try self.json(try await list())["backups"]).count == 3)
            let done = try await Lifeboat.run("forget", set, "--keep-last", "1")
            #expect(done.output.contains("1 backup kept, 2 forgotten"), "\(done.output)\(done.errors)")
            let left = try self.array(try self.json(try await list())["backups"])
            #expect(try left.map { try self.text($0["id"]) } == [nights[2].id])
            let announced = try self.json(try await Lifeboat.run("prune", set, "--dry-run", "--json"))
            let pruned = try self.json(try await Lifeboat.run("prune", set, "--json"))
            #expect(announced["trashed"] == pruned["trashed"])
            #expect(try #require(pruned["trashed"]?["blobs"]?.integerValue) > 0)
            let freed = try await Lifeboat.run("prune", set, "--grace", "0")
            #expect(freed.status == 0)
            #expect(freed.output.hasPrefix("freed "), "\(freed.output)")
            #expect(try FileManager.default.contentsOfDirectory(atPath: set + "/trash").isEmpty)
            let verified = try await Lifeboat.run("verify", set)
            #expect(verified.status == 0, "\(verified.output)")
            // The last one does not go by itself.
            let last = try await Lifeboat.run("forget", set, nights[2].short)
            #expect(last.status == 78, "\(last.errors)")
            #expect(last.errors.contains("would be left without a complete backup\n  try: --force"), "\(last.errors)")
            let forced = try await Lifeboat.run("forget", set, nights[2].short, "--force", "--prune", "--grace", "0")
            #expect(forced.status == 0, "\(forced.errors)")
            #expect(try FileManager.default.contentsOfDirectory(atPath: set + "/blobs/sha256").isEmpty)
        }
    }

    @Test func `what was taken away is an alarm with an exit code`() async throws {
        try await withNights { set, nights in
            let records = try FileManager.default.contentsOfDirectory(atPath: set + "/records").sorted()
            let gone = try bytes(of: set + "/records/" + records[1])
            try FileManager.default.removeItem(atPath: set + "/records/" + records[1])
            for verb in [["backups", "list", set], ["verify", set], ["prune", set]] {
                let result = try await Program.run(Lifeboat.binary, verb)
                #expect(result.status == 65, "\(verb)")
                let words = result.output + result.errors
                #expect(words.contains("was not forgotten"), "\(verb): \(words)")
                #expect(words.contains("lifeboat forget \(set) \(nights[1].short)"), "\(verb): \(words)")
            }
            let alarms = try await Lifeboat.run("backups", "list", set, "--json")
            #expect(try self.array(try self.json(alarms)["alarms"]).first?["kind"] == .string("absent"))
            // Put back, all is well; a changed byte in it is an alarm again.
            try gone.write(to: URL(fileURLWithPath: set + "/records/" + records[1]))
            #expect(try await Lifeboat.run("backups", "list", set).status == 0)
            var changed = gone
            changed[changed.count - 3] ^= 1
            try changed.write(to: URL(fileURLWithPath: set + "/records/" + records[1]))
            let damaged = try await Lifeboat.run("backups", "list", set)
            #expect(damaged.status == 65)
            #expect(damaged.errors.contains("lifeboat: alarm: "), "\(damaged.errors)")
            let given = try await Lifeboat.run("forget", set, records[1])
            #expect(given.status == 0, "\(given.errors)")
            #expect(try await Lifeboat.run("backups", "list", set).status == 0)
        }
    }

    @Test func `a catalog of a newer version is read over, without the advice to make it anew`() async throws {
        try await withNights { set, _ in
            let state = set + "-state"
            let first = try await Lifeboat.run("history", set, "team/app:2", "--state", state)
            #expect(first.status == 0, "\(first.errors)")
            // The version that SQLite keeps for its users, in the file's header (sqlite.org/fileformat, 1.3).
            var catalog = try bytes(of: state + "/catalog.sqlite")
            catalog.replaceSubrange(60..<64, with: [0, 0, 1, 0])
            try catalog.write(to: URL(fileURLWithPath: state + "/catalog.sqlite"))
            let second = try await Lifeboat.run("history", set, "team/app:2", "--state", state)
            #expect(second.status == 0 && second.output == first.output, "\(second.errors)")
            #expect(second.errors.contains("try: a newer lifeboat, or --state"), "\(second.errors)")
            try FileManager.default.removeItem(atPath: state)
        }
    }

    @Test func `a record that is damaged in its middle names the backup to take instead`() async throws {
        try await withNights { set, nights in
            // Of the two newest records a digit of a digest is another one: only who reads them whole sees it.
            let records = try FileManager.default.contentsOfDirectory(atPath: set + "/records").sorted()
            for record in records.dropFirst() {
                var changed = try bytes(of: set + "/records/" + record)
                let middle = try #require(changed.range(of: Data("sha256:".utf8))?.upperBound)
                changed[middle] = changed[middle] == UInt8(ascii: "0") ? UInt8(ascii: "1") : UInt8(ascii: "0")
                try changed.write(to: URL(fileURLWithPath: set + "/records/" + record))
            }
            let want = "the newest whole backup before it is of \(nights[0].time): --backup \(nights[0].short)"
            for verb in [
                ["restore", set, "--to", "127.0.0.1:1"], ["drill", set], ["export", set, "--to", set + "-x.tar"],
            ] {
                let result = try await Lifeboat.run(verb)
                #expect(result.status == 65, "\(verb): \(result.output)\(result.errors)")
                #expect((result.output + result.errors).contains(want), "\(verb): \(result.output)\(result.errors)")
            }
            let whole = try await Lifeboat.run("export", set, "--backup", nights[0].short, "--to", set + "-x.tar")
            #expect(whole.status == 0, "\(whole.output)\(whole.errors)")
            try FileManager.default.removeItem(atPath: set + "-x.tar")
        }
    }

    @Test(arguments: [
        ["forget", "SET"], ["forget", "SET", "abcd", "--keep-last", "1"], ["forget", "SET", "--keep-last", "0"],
        ["prune", "SET", "--grace", "1m"], ["prune", "SET", "--grace", "soon"], ["history", "SET", "team/app"],
        ["find", "SET", "sha256:12"], ["history", "SET"],
    ])
    func `a wrong command line touches nothing`(_ words: [String]) async throws {
        try await withTemporaryFolder { folder in
            let set = folder + "/set"
            let made = try await Lifeboat.run("backups", "init", set)
            try #require(made.status == 0)
            let result = try await Program.run(
                Lifeboat.binary, words.map { $0 == "SET" ? set : $0 }, environment: ["XDG_STATE_HOME": folder])
            #expect([64, 78].contains(result.status), "\(result.status) \(result.errors)")
            #expect(!result.errors.isEmpty)
        }
    }
}
