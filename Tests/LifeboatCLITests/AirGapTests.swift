import Foundation
import OCI
import TestSupport
import Testing

/// From a registry to one that nothing connects it with: in volumes, as deltas, with losses on the way.
@Suite struct AirGapTests {
    @Test func `a full export in volumes, a delta, a lost delta sent again`() async throws {
        let (near, far) = (try await seededStore(), MemoryStore(name: "far"))
        try await withTemporaryFolder { folder in
            try await TestRegistry.run(over: near) { source in
                try await TestRegistry.run(over: far) { target in
                    // The first time, everything, on media of 350 kB.
                    let full = try await Lifeboat.run(
                        "export", source, "--to", "full.tar", "--volume-size", "350kB", in: folder)
                    #expect(full.status == 0, "\(full.output)\(full.errors)")
                    #expect(
                        full.output.contains("note: 3 volumes, all of them needed: full.1-of-3.tar to full.3-of-3.tar"),
                        "\(full.output)")
                    // The second one got lost: what is complete arrives, and the answer names what is needed.
                    try move("full.2-of-3.tar", to: "lost.bin", in: folder)
                    let partial = try await Lifeboat.run("import", "full.1-of-3.tar", "--to", target, in: folder)
                    #expect(partial.status == 3, "\(partial.output)\(partial.errors)")
                    #expect(
                        partial.output.contains("the image needs volume 2 of 3: full.2-of-3.tar is missing"),
                        "\(partial.output)")
                    let found = try await Lifeboat.run("verify", "full.tar", in: folder)
                    #expect(found.status == 65, "\(found.output)")
                    #expect(found.output.contains("full.2-of-3.tar is missing"), "\(found.output)")
                    try move("lost.bin", to: "full.2-of-3.tar", in: folder)
                    let rest = try await Lifeboat.run("import", "full.*.tar", "--to", target, in: folder)
                    #expect(rest.status == 0, "\(rest.output)\(rest.errors)")
                    #expect(try await equal(target, source))

                    // A night later: one image is new, one moved; the delta is lost, and the next one is refused.
                    let app = try await near.target(RepositoryName("team/app1"))
                    try await SeededImages.push(to: app, seed: 300, layerSizes: [5000], tags: [Tag("latest")])
                    let first = try await Lifeboat.run(
                        "export", source, "--since", "full.tar", "--to", "first.tar", in: folder)
                    #expect(first.status == 0, "\(first.output)\(first.errors)")
                    #expect(first.output.contains("note: it builds on full.tar (sha256:"), "\(first.output)")
                    #expect(try size("first.tar", in: folder) < 40_000)
                    let new = try await near.target(RepositoryName("team/new"))
                    try await SeededImages.push(to: new, seed: 301, layerSizes: [6000], tags: [Tag("1")])
                    let second = try await Lifeboat.run(
                        "export", source, "--since", "first.tar", "--to", "second.tar", in: folder)
                    #expect(second.status == 0, "\(second.output)\(second.errors)")
                    try move("first.tar", to: "lost.bin", in: folder)
                    let refused = try await Lifeboat.run(
                        "import", "second.tar", "--to", target, "--overwrite", "always", in: folder)
                    #expect(refused.status == 3, "\(refused.output)\(refused.errors)")
                    #expect(
                        refused.output.hasPrefix("import: 1 image moved, 10 already there, 1 failed"),
                        "\(refused.output)")
                    #expect(refused.output.contains("second.tar builds on first.tar (sha256:"), "\(refused.output)")
                    #expect(refused.output.contains("try: import first.tar first"), "\(refused.output)")
                    let list = try await Lifeboat.run("list", "second.tar", in: folder)
                    #expect(list.status == 0)
                    #expect(
                        list.output.contains("11 images not complete: second.tar builds on first.tar"), "\(list.output)"
                    )

                    // Sent again, the lost one brings what was lacking.
                    try move("lost.bin", to: "first.tar", in: folder)
                    let again = try await Lifeboat.run(
                        "import", "first.tar", "--to", target, "--overwrite", "always", in: folder)
                    #expect(again.status == 0, "\(again.output)\(again.errors)")
                    #expect(again.output.hasPrefix("import: 1 image moved, 10 already there"), "\(again.output)")
                    let last = try await Lifeboat.run("import", "second.tar", "--to", target, in: folder)
                    #expect(last.status == 0, "\(last.output)\(last.errors)")
                    #expect(last.output.hasPrefix("import: 12 already there"), "\(last.output)")
                    #expect(try await equal(target, source))
                }
            }
            // The three together make one full archive.
            try await TestRegistry.run(over: near) { source in
                let merged = try await Lifeboat.run(
                    "export", "full.tar", "first.tar", "second.tar", "--to", "merged.tar", in: folder)
                #expect(merged.status == 0, "\(merged.output)\(merged.errors)")
                let single = try await Lifeboat.run("verify", "merged.tar", in: folder)
                #expect(single.status == 0, "\(single.output)")
                let equal = try await Lifeboat.run("verify", "merged.tar", "--against", source, in: folder)
                #expect(equal.status == 0, "\(equal.output)")
            }
            // An empty registry gets all of it from the three together.
            let fresh = MemoryStore(name: "fresh")
            try await TestRegistry.run(over: fresh) { target in
                let result = try await Lifeboat.run(
                    "import", "full.tar", "first.tar", "second.tar", "--to", target, in: folder)
                #expect(result.status == 0, "\(result.output)\(result.errors)")
                #expect(result.output.contains("the images are those of second.tar"), "\(result.output)")
            }
            #expect(await fresh.repositories() == near.repositories())
            let verified = try await Lifeboat.run("verify", "full.tar", "first.tar", "second.tar", in: folder)
            #expect(verified.status == 0, "\(verified.output)")
        }
    }

    @Test func `compressed volumes and deltas are imported in one pass, with or without what they build on`()
        async throws
    {
        let (near, far) = (try await seededStore(), MemoryStore(name: "far"))
        try await withTemporaryFolder { folder in
            try await TestRegistry.run(over: near) { source in
                let full = try await Lifeboat.run(
                    "export", source, "--to", "full.tar.zst", "--volume-size", "300kB", in: folder)
                #expect(full.status == 0, "\(full.output)\(full.errors)")
                let app = try await near.target(RepositoryName("team/app1"))
                try await SeededImages.push(to: app, seed: 300, layerSizes: [5000], tags: [Tag("latest")])
                let delta = try await Lifeboat.run(
                    "export", source, "--since", "full.tar.zst", "--to", "delta.tar.gz", in: folder)
                #expect(delta.status == 0, "\(delta.output)\(delta.errors)")
                try await TestRegistry.run(over: far) { target in
                    let lacking = try await Lifeboat.run("import", "delta.tar.gz", "--to", target, in: folder)
                    #expect(lacking.status == 3, "\(lacking.output)\(lacking.errors)")
                    #expect(lacking.output.contains("delta.tar.gz builds on full.tar.zst ("), "\(lacking.output)")
                    let whole = try await Lifeboat.run(
                        "import", "delta.tar.gz", "--base", "full.tar.zst", "--to", target, in: folder)
                    #expect(whole.status == 0, "\(whole.output)\(whole.errors)")
                    #expect(try await equal(target, source))
                }
                let other = MemoryStore(name: "other")
                try await TestRegistry.run(over: other) { target in
                    let full = try await Lifeboat.run("import", "full.tar.zst", "--to", target, in: folder)
                    #expect(full.status == 0, "\(full.output)\(full.errors)")
                    let delta = try await Lifeboat.run(
                        "import", "delta.tar.gz", "--to", target, "--overwrite", "always", in: folder)
                    #expect(delta.status == 0, "\(delta.output)\(delta.errors)")
                    #expect(delta.output.hasPrefix("import: 1 image moved, 10 already there"), "\(delta.output)")
                }
            }
        }
    }

    @Test func `an image that has another name since is made of what the target has under the old one`() async throws {
        let (near, far) = (try await seededStore(images: 2), MemoryStore(name: "far"))
        try await withTemporaryFolder { folder in
            try await TestRegistry.run(over: near) { source in
                #expect(try await Lifeboat.run("export", source, "--to", "full.tar", in: folder).status == 0)
                let promoted = try await Lifeboat.run(
                    "copy", source + "/team/app1:latest", source + "/released/app:1", in: folder)
                #expect(promoted.status == 0, "\(promoted.output)\(promoted.errors)")
                let delta = try await Lifeboat.run(
                    "export", source, "--since", "full.tar", "--to", "delta.tar", in: folder)
                #expect(delta.status == 0, "\(delta.output)\(delta.errors)")
                #expect(try size("delta.tar", in: folder) < 60_000)
                try await TestRegistry.run(over: far) { target in
                    let empty = try await Lifeboat.run("import", "delta.tar", "--to", target, in: folder)
                    #expect(empty.status != 0 && empty.output.contains("builds on full.tar"), "\(empty.output)")
                    #expect(try await Lifeboat.run("import", "full.tar", "--to", target, in: folder).status == 0)
                    let result = try await Lifeboat.run("import", "delta.tar", "--to", target, in: folder)
                    #expect(result.status == 0, "\(result.output)\(result.errors)")
                    #expect(result.output.hasPrefix("import: 1 image moved"), "\(result.output)")
                    #expect(try await equal(target, source))
                    let whole = try await Lifeboat.run("verify", target, in: folder)
                    #expect(whole.status == 0, "\(whole.output)\(whole.errors)")
                }
            }
        }
    }

    @Test func `a delta is imported beside its base, which has other names at the target`() async throws {
        let (near, far) = (try await seededStore(images: 2), MemoryStore(name: "far"))
        try await withTemporaryFolder { folder in
            let state = ["XDG_STATE_HOME": folder + "/state"]
            try await TestRegistry.run(over: near) { source in
                #expect(try await Lifeboat.run("export", source, "--to", "full.tar", in: folder).status == 0)
                // A layer of an image that stays as it is, in a new one of another repository.
                let new = try await near.target(RepositoryName("other/new"))
                try await SeededImages.push(to: new, seed: 0, layerSizes: [40_000, 200_000, 3, 7], tags: [Tag("1")])
                let delta = try await Lifeboat.run(
                    "export", source, "--since", "full.tar", "--to", "delta.tar", in: folder)
                #expect(delta.status == 0, "\(delta.output)\(delta.errors)")
                #expect(try size("delta.tar", in: folder) < 60_000)
                try await TestRegistry.run(over: far) { target in
                    let base = try await Lifeboat.run(
                        "import", "full.tar", "--to", target + "/mirror", in: folder, environment: state)
                    #expect(base.status == 0, "\(base.output)\(base.errors)")
                    for prefix in ["", "/elsewhere"] {
                        let result = try await Lifeboat.run(
                            "import", "delta.tar", "--to", target + prefix, in: folder, environment: state)
                        #expect(result.status == 0, "\(result.output)\(result.errors)")
                        #expect(result.output.hasPrefix("import: 6 images moved"), "\(result.output)")
                    }
                    #expect(try await equal(target, source))
                    let whole = try await Lifeboat.run("verify", target, in: folder)
                    #expect(whole.status == 0, "\(whole.output)\(whole.errors)")
                }
            }
        }
    }

    @Test func `a delta is served with what it builds on, and alone says what it lacks`() async throws {
        let near = try await seededStore(images: 2)
        try await withTemporaryFolder { folder in
            try await TestRegistry.run(over: near) { source in
                #expect(try await Lifeboat.run("export", source, "--to", folder + "/full.tar").status == 0)
                let app = try await near.target(RepositoryName("team/app1"))
                try await SeededImages.push(to: app, seed: 300, layerSizes: [5000], tags: [Tag("new")])
                let delta = try await Lifeboat.run(
                    "export", source, "--since", folder + "/full.tar", "--to", folder + "/delta.tar")
                #expect(delta.status == 0, "\(delta.output)\(delta.errors)")
            }
            let server = try await ServedArchive.start(folder + "/delta.tar", "--base", folder + "/full.tar")
            let result = try await Lifeboat.run("verify", server.host)
            #expect(result.status == 0, "\(result.output)\(result.errors)")
            #expect(result.output.hasPrefix("verify: 6 images verified"), "\(result.output)")
            #expect(await server.stop() == 143)
            let alone = try await ServedArchive.start(folder + "/delta.tar")
            let new = try await Lifeboat.run("verify", "\(alone.host)/team/app1:new")
            #expect(new.status == 0, "\(new.output)\(new.errors)")
            let old = try await Lifeboat.run("verify", "\(alone.host)/team/app1:latest")
            #expect(old.status != 0, "\(old.output)")
            #expect(await alone.stop() == 143)
        }
    }

    @Test func `what makes no sense is said before anything is written`() async throws {
        let near = try await seededStore(images: 1)
        try await withTemporaryFolder { folder in
            try await TestRegistry.run(over: near) { source in
                let small = try await Lifeboat.run(
                    "export", source, "--to", "a.tar", "--volume-size", "100kB", in: folder)
                #expect(small.status == 64, "\(small.output)\(small.errors)")
                #expect(small.output.contains("has 200000 bytes, which do not fit into a volume of 100000"))
                let word = try await Lifeboat.run("export", source, "--to", "a.tar", "--volume-size", "big", in: folder)
                #expect(word.status == 64, "\(word.errors)")
                #expect(word.errors.contains("'big' is not a size"), "\(word.errors)")
                let layout = try await Lifeboat.run("export", source, "--to", "a/", "--volume-size", "1GB", in: folder)
                #expect(layout.status == 64, "\(layout.errors)")
                let since = try await Lifeboat.run("export", source, "--to", "a.tar", "--since", "none.tar", in: folder)
                #expect(since.status == 66, "\(since.output)\(since.errors)")
                let pipe = try await Lifeboat.run("export", source, "--to", "-", "--volume-size", "1GB", in: folder)
                #expect(pipe.status == 64, "\(pipe.errors)")
                #expect(try await Lifeboat.run("export", source, "--to", "full.tar", "-q", in: folder).status == 0)
                let base = try await Lifeboat.run("list", "full.tar", "--base", "full.tar", in: folder)
                #expect(base.status == 64, "\(base.errors)")
            }
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder) == ["full.tar"])
        }
    }

    @Test func `a delta of a backup set joins a set that has the rest`() async throws {
        let near = try await seededStore(images: 2)
        try await withTemporaryFolder { folder in
            for name in ["a", "b", "c"] {
                let made = try await Lifeboat.run("backups", "init", name, in: folder)
                #expect(made.status == 0, "\(made.output)\(made.errors)")
            }
            try await TestRegistry.run(over: near) { source in
                #expect(try await Lifeboat.run("export", source, "--to", "a/", in: folder).status == 0)
                let full = try await Lifeboat.run("export", "a/", "--to", "full.tar", in: folder)
                #expect(full.status == 0, "\(full.output)\(full.errors)")
                let first = try FileManager.default.contentsOfDirectory(atPath: folder + "/a/records")
                let id = String(try #require(first.first).split(separator: "-")[1].prefix(12))
                let app = try await near.target(RepositoryName("team/app1"))
                try await SeededImages.push(to: app, seed: 300, layerSizes: [5000], tags: [Tag("new")])
                #expect(try await Lifeboat.run("export", source, "--to", "a/", in: folder).status == 0)
                let delta = try await Lifeboat.run("export", "a/", "--since", id, "--to", "delta.tar", in: folder)
                #expect(delta.status == 0, "\(delta.output)\(delta.errors)")
                #expect(delta.output.contains("it builds on backup \(id) (sha256:\(id)"), "\(delta.output)")
                #expect(try size("delta.tar", in: folder) < 40_000)
            }
            let lacking = try await Lifeboat.run("backups", "add", "c", "delta.tar", in: folder)
            #expect(lacking.status != 0, "\(lacking.output)")
            #expect(lacking.output.contains("delta.tar builds on backup"), "\(lacking.output)")
            let full = try await Lifeboat.run("backups", "add", "b", "full.tar", in: folder)
            #expect(full.status == 0, "\(full.output)\(full.errors)")
            let joined = try await Lifeboat.run("backups", "add", "b", "delta.tar", in: folder)
            #expect(joined.status == 0, "\(joined.output)\(joined.errors)")
            let verified = try await Lifeboat.run("verify", "b", in: folder)
            #expect(verified.status == 0, "\(verified.output)\(verified.errors)")
        }
    }

    private func equal(_ target: String, _ source: String) async throws -> Bool {
        let result = try await Lifeboat.run("verify", target, "--against", source)
        return result.status == 0
    }

    private func move(_ name: String, to other: String, in folder: String) throws {
        try FileManager.default.moveItem(atPath: folder + "/" + name, toPath: folder + "/" + other)
    }

    private func size(_ name: String, in folder: String) throws -> Int { try bytes(of: folder + "/" + name).count }
}
