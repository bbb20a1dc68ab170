import Foundation
import OCI
import OCIArchive
import TestSupport
import Testing

/// Several targets, `ours` and the state folder, as the command has them.
@Suite struct StepsTargetsCommandTests {
    @Test func `an export writes several files in one pass, and one that cannot be opened is lost alone`() async throws
    {
        let store = try await seededStore()
        try await withTemporaryFolder { folder in
            try Data().write(to: URL(fileURLWithPath: folder + "/file"))
            try await TestRegistry.run(over: store) { host in
                let result = try await Lifeboat.run(
                    "export", host, "--to", folder + "/a.tar", "--to", folder + "/b/", "--to", folder + "/file/c/",
                    "--json")
                #expect(result.status == 3, "\(result.output)\(result.errors)")
                let report = try JSONValue(parsing: Array(result.output.utf8), in: "report")
                let step = try report["steps"]?.array("steps").first
                let listed = try step?["targets"]?.array("targets")
                let targets = try #require(listed)
                #expect(
                    targets.map { $0["target"]?.stringValue } == [folder + "/a.tar", folder + "/b", folder + "/file/c"])
                #expect(targets.map { $0["totals"]?["done"]?.integerValue } == [11, 11, 0])
                #expect(targets[0]["archive"]?.stringValue != nil)
                #expect(targets[2]["error"]?["class"]?.stringValue == "local")
                for path in [folder + "/a.tar", folder + "/b/"] {
                    let verified = try await Lifeboat.run("verify", path, "--against", host)
                    #expect(verified.status == 0, "\(verified.output)\(verified.errors)")
                }
            }
        }
    }

    @Test func `a target that is down fails its images, and the other gets them`() async throws {
        let store = try await seededStore(images: 2)
        let new = MemoryStore(name: "new")
        try await withTemporaryFolder { folder in
            try await TestRegistry.run(over: store) { from in
                try await TestRegistry.run(over: new) { to in
                    // A port that nobody listens on, and a refusal to push.
                    try await TestRegistry.run(over: MemoryStore(name: "closed"), writable: false) { closed in
                        let result = try await Lifeboat.run(
                            "import", from, "--to", closed, "--to", to, "--state", folder + "/state")
                        #expect(result.status == 3, "\(result.output)\(result.errors)")
                        #expect(result.output.contains("\n  \(to): 5 images moved"), "\(result.output)")
                        #expect(result.output.contains("\n  \(closed): 5 failed"), "\(result.output)")
                    }
                }
            }
            #expect(exists(folder + "/state/catalog.sqlite"))
        }
        #expect(await new.repositories().count == 3)
    }

    @Test func `a target that cannot be reached is named with its images, and the other one's conflicts too`()
        async throws
    {
        let (old, new) = (try await seededStore(images: 2), MemoryStore(name: "new"))
        try await SeededImages.push(to: try await new.target(RepositoryName("multi")), seed: 7, tags: [Tag("1")])
        try await TestRegistry.run(over: old) { from in
            try await TestRegistry.run(over: new) { to in
                // Nobody listens on the port of a server that has gone.
                let down = try await TestRegistry.run { $0 }
                let result = try await Lifeboat.run("import", from, "--to", down, "--to", to, "--json")
                #expect(result.status == 3, "\(result.output)\(result.errors)")
                let report = try JSONValue(parsing: Array(result.output.utf8), in: "report")
                let step = try report["steps"]?.array("steps").first
                let images = try #require(try step?["images"]?.array("images"))
                let failed = images.filter { $0["outcome"]?.stringValue == "failed" }
                #expect(failed.count == 6)
                func classes(of host: String) -> [String?] {
                    failed.filter { $0["target"]?.stringValue?.hasPrefix(host + "/") ?? false }
                        .map { $0["error"]?["class"]?.stringValue }
                }
                #expect(classes(of: down) == Array(repeating: "unavailable", count: 5))
                #expect(classes(of: to) == ["conflict"])
            }
        }
        #expect(await new.repositories().count == 3)
    }

    @Test func `what a target has lost is named at the target that lost it`() async throws {
        let old = try await seededStore(images: 1)
        try await withTemporaryFolder { folder in
            let layout = try await Layout.create(folder + "/new", surroundings: .ofThisMachine)
            try await TestRegistry.run(over: old) { from in
                try await TestRegistry.run(over: layout) { to in
                    #expect(try await Lifeboat.run("import", from, "--to", to).status == 0)
                    let app = try await old.source(RepositoryName("team/app0"))
                    let blob = try #require(try await app.manifest(app.resolve(.tag(.latest))).children.last).digest
                    try FileManager.default.removeItem(atPath: folder + "/new/blobs/sha256/" + blob.hex)
                    let result = try await Lifeboat.run("import", from, "--to", to, "--repair")
                    #expect(result.status == 0, "\(result.output)\(result.errors)")
                    #expect(
                        result.output.contains("missing: blob \(blob) of \(to)/team/app0:"), "\(result.output)")
                }
            }
        }
    }

    @Test func `ours follows what we wrote, and names what we did not`() async throws {
        let (old, new) = (MemoryStore(name: "old"), MemoryStore(name: "new"))
        let app = try await old.target(RepositoryName("app"))
        try await SeededImages.push(to: app, seed: 1, tags: [Tag("1"), Tag("2")])
        try await withTemporaryFolder { folder in
            let state = folder + "/state"
            try await TestRegistry.run(over: old) { from in
                try await TestRegistry.run(over: new) { to in
                    func follow() async throws -> Program.Result {
                        try await Lifeboat.run("import", from, "--to", to, "--overwrite", "ours", "--state", state)
                    }
                    #expect(try await follow().status == 0)
                    try await SeededImages.push(to: app, seed: 2, tags: [Tag("1"), Tag("2")])
                    let theirs = try await new.target(RepositoryName("app"))
                    try await SeededImages.push(to: theirs, seed: 3, tags: [Tag("2")])
                    let second = try await follow()
                    #expect(second.status == 3, "\(second.errors)")
                    #expect(second.output.contains("1 image moved, 1 failed"), "\(second.output)")
                    #expect(second.output.contains("lifeboat last wrote sha256:"), "\(second.output)")
                    // A damaged catalog is in the way of ours, and of nothing else.
                    try Data(repeating: 1, count: 4000).write(to: URL(fileURLWithPath: state + "/catalog.sqlite"))
                    let damaged = try await follow()
                    #expect(damaged.status == 74, "\(damaged.output)")
                    #expect(damaged.output.contains("try: it is a cache: remove it"), "\(damaged.output)")
                    let always = try await Lifeboat.run(
                        "import", from, "--to", to, "--overwrite", "always", "--state", state)
                    #expect(always.status == 0, "\(always.output)")
                    #expect(always.output.contains("is damaged"), "\(always.output)")
                }
            }
        }
    }
}
