import Foundation
import OCI
import TestSupport
import Testing

/// The built command against embedded registries.
@Suite struct VerbTests {
    @Test func `a registry goes into an archive and from there into another one, digest for digest`() async throws {
        let (old, new) = (try await seededStore(), MemoryStore(name: "new"))
        try await withTemporaryFolder { folder in
            try await TestRegistry.run(over: old) { from in
                try await TestRegistry.run(over: new) { to in
                    let export = try await Lifeboat.run("export", from, "--to", folder + "/all.tar", "--json")
                    #expect(export.status == 0, "\(export.errors)")
                    let report = try JSONValue(parsing: Array(export.output.utf8), in: "report")
                    #expect(report["exitCode"] == .number(0))
                    let imported = try await Lifeboat.run("import", folder + "/all.tar", "--to", to)
                    #expect(imported.status == 0, "\(imported.errors)")
                    let compared = try await Lifeboat.run("verify", to, "--against", from)
                    #expect(compared.status == 0, "\(compared.output)\(compared.errors)")
                    #expect(compared.output.hasPrefix("verify: 11 images equal, 0 different"), "\(compared.output)")
                    let again = try await Lifeboat.run("import", folder + "/all.tar", "--to", to)
                    #expect(again.output.hasPrefix("import: 11 already there in"), "\(again.output)")
                }
            }
        }
        let signed = try await old.source(RepositoryName("team/app0"))
        #expect(try await signed.referrers(of: signed.resolve(.tag(.latest)).digest).count == 1)
        for repository in await old.repositories() {
            let (a, b) = (await old.source(repository), await new.source(repository))
            #expect(try await a.tags() == b.tags())
            for tag in try await a.tags() {
                let digest = try await a.resolve(.tag(tag)).digest
                #expect(try await b.resolve(.tag(tag)).digest == digest)
                // An archive knows what refers to a digest, not in which repository: none may be lacking.
                let (wanted, got) = (try await a.referrers(of: digest), try await b.referrers(of: digest))
                #expect(Set(got.map(\.digest)).isSuperset(of: wanted.map(\.digest)))
            }
        }
    }

    @Test(arguments: ["tar", "tar.gz", "tar.zst", "tar.xz"])
    func `two exports are the same file, whatever the concurrency`(_ suffix: String) async throws {
        let store = try await seededStore()
        try await withTemporaryFolder { folder in
            try await TestRegistry.run(over: store) { host in
                for concurrency in ["1", "8"] {
                    let result = try await Lifeboat.run(
                        "export", host, "--to", "\(folder)/\(concurrency).\(suffix)", "--concurrency", concurrency, "-q"
                    )
                    #expect(result.status == 0, "\(result.errors)")
                }
            }
            #expect(try bytes(of: "\(folder)/1.\(suffix)") == bytes(of: "\(folder)/8.\(suffix)"))
            let verified = try await Lifeboat.run("verify", "\(folder)/1.\(suffix)")
            #expect(verified.status == 0, "\(verified.output)\(verified.errors)")
        }
    }

    @Test(arguments: ["tar", "tar.gz", "tar.zst", "tar.xz"])
    func `an archive is imported from a pipe`(_ suffix: String) async throws {
        let store = try await seededStore()
        let new = MemoryStore(name: "new")
        try await withTemporaryFolder { folder in
            try await TestRegistry.run(over: store) { host in
                let export = try await Lifeboat.run("export", host, "--to", "\(folder)/a.\(suffix)")
                #expect(export.status == 0, "\(export.errors)")
            }
            try await TestRegistry.run(over: new) { host in
                // A shell's pipe, so that the input cannot be sought in.
                let result = try await Program.run(
                    "sh", "-c", "cat '\(folder)/a.\(suffix)' | '\(Lifeboat.binary)' import - --to \(host)")
                #expect(result.status == 0, "\(result.errors)")
            }
        }
        #expect(await new.repositories() == store.repositories())
    }

    @Test func `standard output takes an archive, and the words go elsewhere`() async throws {
        let store = try await seededStore(images: 2)
        try await withTemporaryFolder { folder in
            try await TestRegistry.run(over: store) { host in
                #expect(try await Lifeboat.run("export", host, "--to", folder + "/a.tar").status == 0)
                let piped = try await Program.run(
                    "sh", "-c", "'\(Lifeboat.binary)' export \(host) --to - > '\(folder)/b.tar'")
                #expect(piped.status == 0, "\(piped.errors)")
                #expect(piped.errors.contains("images moved"))
            }
            #expect(try bytes(of: folder + "/a.tar") == bytes(of: folder + "/b.tar"))
        }
    }

    @Test func `copy names the target exactly, digest in and tag out`() async throws {
        let (old, new) = (try await seededStore(images: 1), MemoryStore(name: "new"))
        let source = try await old.source(RepositoryName("team/app0"))
        let digest = try await source.resolve(.tag(.latest)).digest
        try await TestRegistry.run(over: old) { from in
            try await TestRegistry.run(over: new) { to in
                let result = try await Lifeboat.run("copy", "\(from)/team/app0@\(digest)", "\(to)/other/name:v9")
                #expect(result.status == 0, "\(result.errors)")
            }
        }
        #expect(try await new.source(RepositoryName("other/name")).resolve(.tag(Tag("v9"))).digest == digest)
    }

    @Test func `one platform puts its manifest under the tag, and says so`() async throws {
        let (old, new) = (try await seededStore(images: 0), MemoryStore(name: "new"))
        try await TestRegistry.run(over: old) { from in
            try await TestRegistry.run(over: new) { to in
                let result = try await Lifeboat.run(
                    "import", "\(from)/multi:1", "--to", to, "--platform", "linux/arm64")
                #expect(result.status == 0, "\(result.errors)")
                let none = try await Lifeboat.run("import", "\(from)/multi:1", "--to", to, "--platform", "linux/s390x")
                #expect(none.status == 66)
                #expect(none.output.contains("try: one of linux/amd64, linux/arm64"), "\(none.output)")
            }
        }
        let resolved = try await new.source(RepositoryName("multi")).resolve(.tag(Tag("1")))
        #expect(resolved.mediaType == .ociManifest)
    }

    @Test func `an archive is served in place of its registry`() async throws {
        let store = try await seededStore()
        try await withTemporaryFolder { folder in
            try await TestRegistry.run(over: store) { host in
                let export = try await Lifeboat.run("export", host, "--to", folder + "/a.tar")
                #expect(export.status == 0, "\(export.errors)")
            }
            let server = try await ServedArchive.start(folder + "/a.tar")
            let result = try await Lifeboat.run("verify", server.host)
            #expect(result.status == 0, "\(result.output)\(result.errors)")
            #expect(result.output.hasPrefix("verify: 11 images verified"), "\(result.output)")
            let file = try await Lifeboat.run("verify", folder + "/a.tar")
            #expect(file.output.hasPrefix("verify: 11 images verified"), "\(file.output)")
            let write = try await Lifeboat.run("copy", "\(server.host)/multi:1", "\(server.host)/multi:2")
            #expect(write.status != 0)
            #expect(await server.stop() == 143)
        }
    }

    @Test func `what is missing at the checked registry is found, and what it has more is no fault`() async throws {
        let (old, new) = (try await seededStore(images: 2), MemoryStore(name: "new"))
        try await TestRegistry.run(over: old) { from in
            try await TestRegistry.run(over: new) { to in
                #expect(try await Lifeboat.run("import", "\(from)/multi:1", "--to", to).status == 0)
                let partial = try await Lifeboat.run("verify", to, "--against", from)
                #expect(partial.status == 66, "\(partial.output)\(partial.errors)")
                #expect(partial.output.contains("1 image equal, 4 different"), "\(partial.output)")
                let more = try await Lifeboat.run("verify", from, "--against", to)
                #expect(more.status == 0, "\(more.output)\(more.errors)")
            }
        }
    }

    @Test func `a cut-off pipe brings the images before the cut, and says so`() async throws {
        let (old, new) = (try await seededStore(images: 4), MemoryStore(name: "new"))
        try await withTemporaryFolder { folder in
            try await TestRegistry.run(over: old) { from in
                let export = try await Lifeboat.run("export", from, "--to", folder + "/a.tar")
                #expect(export.status == 0, "\(export.errors)")
            }
            try await TestRegistry.run(over: new) { to in
                let result = try await Program.run(
                    "sh", "-c", "head -c -1000 '\(folder)/a.tar' | '\(Lifeboat.binary)' import - --to \(to)")
                #expect(result.status == 3 || result.status == 65, "\(result.output)\(result.errors)")
                #expect(!result.output.contains("nothing was done"), "\(result.output)")
                #expect(result.output.contains("moved"), "\(result.output)")
            }
        }
    }

    @Test func `the quickstart pipeline does what it says`() async throws {
        let (old, new) = (try await seededStore(), MemoryStore(name: "new"))
        try await withTemporaryFolder { folder in
            try await TestRegistry.run(over: old) { from in
                try await TestRegistry.run(over: new) { to in
                    let variables = ["OLD_REGISTRY": from, "NEW_REGISTRY": to, "ARCHIVE": folder + "/a.tar"]
                    let file = Fixtures.package.appendingPathComponent("pipelines/quickstart.yaml").path
                    let first = try await Lifeboat.run("run", file, environment: variables)
                    #expect(first.status == 0, "\(first.output)\(first.errors)")
                    #expect(first.output.contains("check: 11 images equal, 0 different"), "\(first.output)")
                    let second = try await Lifeboat.run("run", file, environment: variables)
                    #expect(second.status == 0, "\(second.output)\(second.errors)")
                    #expect(second.output.contains("restore: 11 already there"), "\(second.output)")
                }
            }
        }
    }

    @Test func `a dry run says what would move and writes nothing`() async throws {
        let (old, new) = (try await seededStore(), MemoryStore(name: "new"))
        try await withTemporaryFolder { folder in
            try await TestRegistry.run(over: old) { from in
                try await TestRegistry.run(over: new) { to in
                    let plan = try await Lifeboat.run("import", from, "--to", to, "--dry-run")
                    #expect(plan.status == 0)
                    #expect(plan.output.contains("11 images to move"), "\(plan.output)")
                    let export = try await Lifeboat.run(
                        "export", from, "--to", folder + "/a.tar", "--dry-run", "--json")
                    let json = try JSONValue(parsing: Array(export.output.utf8), in: "plan")
                    #expect(json["totals"]?["failed"] == .number(0))
                    #expect(json["totals"]?["copy"] == .number(11))
                }
            }
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder).isEmpty)
        }
        #expect(await new.repositories().isEmpty)
    }
}
