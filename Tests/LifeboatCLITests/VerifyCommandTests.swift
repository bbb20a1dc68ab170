import Foundation
import OCI
import OCIArchive
import TestSupport
import Testing

/// What `verify` and `list` say is exactly what was looked at, as the built command does them.
@Suite struct VerifyCommandTests {
    /// `team/app:1` and `team/app:latest`, `team/app:2`, `base:1`, each with layers that are random.
    private func world(_ body: @escaping @Sendable (_ folder: String, _ host: String) async throws -> Void)
        async throws
    {
        let store = MemoryStore(name: "large")
        let app = try await store.target(RepositoryName("team/app"))
        try await SeededImages.push(to: app, seed: 1, layerSizes: [300_000], tags: [Tag("1"), Tag("latest")])
        try await SeededImages.push(to: app, seed: 2, layerSizes: [300_000], tags: [Tag("2")])
        try await SeededImages.push(
            to: try await store.target(RepositoryName("base")), seed: 3, layerSizes: [300_000], tags: [Tag("1")])
        try await withTemporaryFolder { folder in
            try await TestRegistry.run(over: store) { try await body(folder, $0) }
        }
    }

    private func done(_ arguments: String..., in folder: String) async throws -> Program.Result {
        let result = try await Lifeboat.run(arguments, in: folder)
        #expect(result.status == 0, "\(arguments): \(result.output)\(result.errors)")
        return result
    }

    // MARK: What was verified

    @Test func `a delta is called one, and only what is complete in it counts as verified`() async throws {
        try await world { folder, host in
            _ = try await done("export", "\(host)/team/app:2", "--to", "base.tar", in: folder)
            _ = try await done("export", host, "--since", "base.tar", "--to", "delta.tar", in: folder)
            let result = try await done("verify", "delta.tar", in: folder)
            #expect(result.output.hasPrefix("verify: 3 images verified, "), "\(result.output)")
            #expect(
                result.output.contains("  note: delta.tar is a delta: it builds on base.tar (sha256:"),
                "\(result.output)")
            let words =
                "  note: 3 of 4 images of delta.tar are complete without what it builds on, which was not read: "
            #expect(result.output.contains(words), "\(result.output)")
            let both = try await done("verify", "delta.tar", "--base", "base.tar", in: folder)
            #expect(both.output.hasPrefix("verify: 4 images verified, "), "\(both.output)")
            #expect(both.output.contains(", which was read too\n"), "\(both.output)")
            #expect(!both.output.contains("are complete"), "\(both.output)")
            var damaged = try bytes(of: folder + "/base.tar")
            damaged[damaged.count / 2] ^= 1
            try damaged.write(to: URL(fileURLWithPath: folder + "/damaged.tar"))
            let bad = try await Lifeboat.run("verify", "delta.tar", "--base", "damaged.tar", in: folder)
            #expect(bad.status == 65 && bad.output.contains("of damaged.tar"), "\(bad.output)\(bad.errors)")
            let whole = try await done("verify", "base.tar", in: folder)
            #expect(whole.output.hasPrefix("verify: 1 image verified, "), "\(whole.output)")
            #expect(!whole.output.contains("note:"), "\(whole.output)")
        }
    }

    @Test func `without a volume the images that need it are not verified`() async throws {
        try await world { folder, host in
            _ = try await done("export", host, "--to", "a.tar", "--volume-size", "400KB", in: folder)
            let names = try FileManager.default.contentsOfDirectory(atPath: folder).sorted()
            #expect(names == ["a.1-of-3.tar", "a.2-of-3.tar", "a.3-of-3.tar"])
            let all = try await done("verify", "a.1-of-3.tar", in: folder)
            #expect(all.output.hasPrefix("verify: 4 images verified, "), "\(all.output)")
            try FileManager.default.removeItem(atPath: folder + "/a.3-of-3.tar")
            let result = try await Lifeboat.run("verify", "a.1-of-3.tar", in: folder)
            #expect(result.status == 65, "\(result.output)")
            #expect(!result.output.contains("4 images verified"), "\(result.output)")
            #expect(result.output.hasPrefix("verify: 3 images verified, 1 fault, "), "\(result.output)")
            #expect(result.output.contains("note: 3 of 4 images of a.1-of-3.tar are complete: "), "\(result.output)")
            #expect(result.output.contains("a.3-of-3.tar is missing"), "\(result.output)")
            #expect(result.output.contains("try: bring that volume again, beside the others"), "\(result.output)")
        }
    }

    @Test func `a cut archive says what was read of it and which images are whole`() async throws {
        try await world { folder, host in
            _ = try await done("export", host, "--to", "a.tar", in: folder)
            let whole = try bytes(of: folder + "/a.tar")
            try whole.prefix(500_000).write(to: URL(fileURLWithPath: folder + "/cut.tar"))
            let result = try await Lifeboat.run("verify", "cut.tar", "--json", in: folder)
            #expect(result.status == 65, "\(result.output)")
            let report = try JSONValue(parsing: Array(result.output.utf8), in: "report")
            guard case .array(let steps)? = report["steps"], let step = steps.first else { return #expect(Bool(false)) }
            let read = try #require(step["bytesMoved"]?.integerValue)
            #expect(read > 400_000 && read <= 500_000 + 20_480, "\(read)")
            let words = try await Lifeboat.run("verify", "cut.tar", in: folder)
            #expect(words.output.contains("note: 1 of 4 images of cut.tar is complete: "), "\(words.output)")
            try whole.prefix(4000).write(to: URL(fileURLWithPath: folder + "/cut.tar"))
            let nothing = try await Lifeboat.run("verify", "cut.tar", in: folder)
            #expect(nothing.status == 65 && !nothing.output.contains("verified"), "\(nothing.output)")
        }
    }

    // MARK: What was compared

    @Test func `a part of a registry is compared with a registry that has the same names without it`() async throws {
        try await world { folder, host in
            try await TestRegistry.run { mirror in
                _ = try await done("import", host, "--to", mirror + "/mirror/of", in: folder)
                let result = try await done("verify", mirror + "/mirror/of", "--against", host, in: folder)
                #expect(result.output.hasPrefix("verify: 4 images equal, 0 different"), "\(result.output)")
                // What is an image at both sides stays one.
                _ = try await done("import", host, "--to", mirror, in: folder)
                let image = try await Lifeboat.run("verify", mirror + "/team/app", "--against", host, in: folder)
                #expect(!image.output.contains("4 images"), "\(image.output)")
            }
            let slash = try await Lifeboat.run("list", "localhost:1/team/", in: folder)
            #expect(slash.status == 64, "\(slash.errors)")
            #expect(
                slash.errors.contains("ends in a slash, which means a folder, and there is none"), "\(slash.errors)")
            #expect(slash.errors.contains("try: localhost:1/team for the registry"), "\(slash.errors)")
        }
    }

    @Test func `a part of a registry is compared with an archive, either way round`() async throws {
        try await world { folder, host in
            let text = """
                version: 1
                stores: {part: {registry: "\(host)/team"}, tar: {archive: part.tar}}
                steps: [{export: {from: part, to: tar}}]
                """
            try Program.write(text, to: folder + "/p.yaml")
            _ = try await done("run", "p.yaml", in: folder)
            for arguments in [["\(host)/team", "--against", "part.tar"], ["part.tar", "--against", "\(host)/team"]] {
                let result = try await Lifeboat.run(["verify"] + arguments, in: folder)
                #expect(result.status == 0, "\(result.output)\(result.errors)")
                #expect(result.output.hasPrefix("verify: 3 images equal, 0 different"), "\(result.output)")
            }
            // An image that the archive has under this very name is that image.
            _ = try await done("export", "\(host)/team/app:latest", "--to", "one.tar", in: folder)
            let one = try await done("verify", "\(host)/team/app", "--against", "one.tar", in: folder)
            #expect(one.output.hasPrefix("verify: 1 image equal, 0 different"), "\(one.output)")
        }
    }

    @Test func `--image chooses from a registry too, and is not passed over anywhere`() async throws {
        try await world { folder, host in
            _ = try await done("export", host, "--image", "team/*:2", "--image", "base", "--to", "a.tar", in: folder)
            let list = try await done("list", "a.tar", in: folder)
            #expect(list.output.hasSuffix("2 images in 2 repositories\n"), "\(list.output)")
            let none = try await Lifeboat.run("export", host, "--image", "nope/*", "--to", "b.tar", in: folder)
            #expect(none.status == 66, "\(none.output)")
            #expect(none.output.contains("has no image that matches nope/*:*"), "\(none.output)")
            let useless = try await Lifeboat.run(
                "export", "\(host)/team/app:2", "--image", "base", "--to", "b.tar", in: folder)
            #expect(useless.status == 64, "\(useless.output)\(useless.errors)")
            #expect(useless.errors.contains("there is none among the sources"), "\(useless.errors)")
        }
    }

    // MARK: Words

    @Test func `what goes through a pipe is read from standard input and written to standard output`() async throws {
        try await world { folder, host in
            let out = try await done("export", "\(host)/base:1", "--to", "-", "-q", in: folder)
            #expect(out.errors.contains(": standard output\n"), "\(out.errors)")
            _ = try await done("export", "\(host)/base:1", "--to", "a.tar", in: folder)
            let command = "'\(Lifeboat.binary)' verify - < a.tar"
            let input = try await Program.run("sh", "-c", command, in: folder)
            #expect(input.output.contains(": standard input\n"), "\(input.output)\(input.errors)")
        }
    }

    @Test func `a list that is empty does not advise to ask for it`() async throws {
        try await TestRegistry.run(over: MemoryStore(name: "empty")) { host in
            let result = try await Lifeboat.run("list", host)
            #expect(result.status == 66, "\(result.output)\(result.errors)")
            #expect(!result.errors.contains("lifeboat list"), "\(result.errors)")
            let other = try await Lifeboat.run("list", host + "/nope")
            #expect(other.errors.contains("lifeboat list \(host) shows what is there"), "\(other.errors)")
        }
    }

    // MARK: Width

    @Test(.enabled(if: Program.exists("script"), "script(1) is not installed"))
    func `list and plan fit into 80 columns`() async throws {
        let store = MemoryStore(name: "long")
        let long = "platform/services/authentication/gateway-with-a-long-name"
        for (seed, name) in [(UInt64(1), "a"), (2, long)] {
            try await SeededImages.push(
                to: try await store.target(RepositoryName(name)), seed: seed, tags: [Tag("1.0")])
        }
        try await TestRegistry.run(over: store) { host in
            func lines(_ command: String) async throws -> [Substring] {
                let line = "stty cols 80 && '\(Lifeboat.binary)' \(command) 2>/dev/null"
                let result = try await Program.run("script", "-qec", line, "/dev/null")
                return result.output.split(whereSeparator: \.isNewline)
            }
            let list = try await lines("list \(host)")
            #expect(list.count == 3, "\(list)")
            #expect(list[0].count <= 80 && list[0].hasPrefix("a:1.0 ") && list[0].contains("sha256:"), "\(list)")
            // A name that leaves no room pushes nobody else over the edge.
            #expect(list[1].hasPrefix(long + ":1.0  sha256:"), "\(list)")
            let plan = try await lines("export \(host) --to x.tar --dry-run")
            #expect(plan.count > 5, "\(plan)")
            #expect(plan[1].hasPrefix("  copy") && plan[1].hasSuffix("[**:*]") && plan[1].count <= 80, "\(plan)")
            #expect(plan[2].hasSuffix(long + ":1.0") && plan[2].count <= 80, "\(plan)")
            #expect(plan[3] == "    [**:*]", "\(plan)")
            let app = try await store.source(RepositoryName("a"))
            let image = try await app.resolve(.tag(Tag("1.0")))
            let target = try await store.target(RepositoryName("a"))
            try await SeededImages.push(to: target, seed: 3, tags: [Tag("sha256-\(image.digest.hex).sig")])
            let signed = try await lines("list \(host) --image a")
            #expect(signed.count == 3 && signed.allSatisfy { $0.count <= 80 }, "\(signed)")
            #expect(signed[1].hasPrefix("a:sha256-\(image.digest.hex.prefix(12))….sig  sha256:"), "\(signed)")
            let inspected = try await lines("inspect \(host)/a:1.0")
            #expect(inspected.count > 3 && inspected.allSatisfy { $0.count <= 80 }, "\(inspected)")
            #expect(inspected.contains { $0.hasSuffix("  oci.image.layer.v1.tar") }, "\(inspected)")
        }
    }

    @Test func `a list is as wide as the names that people give`() async throws {
        let store = MemoryStore(name: "signed")
        let app = try await store.target(RepositoryName("app"))
        let image = try await SeededImages.push(to: app, seed: 1, tags: [Tag("1")])
        try await SeededImages.push(
            to: app, seed: 2, tags: [Tag("sha256-\(image.descriptor.digest.hex).sig")])
        try await TestRegistry.run(over: store) { host in
            let result = try await Lifeboat.run("list", host)
            #expect(result.output.contains("app:1  sha256:"), "\(result.output)\(result.errors)")
        }
    }
}
