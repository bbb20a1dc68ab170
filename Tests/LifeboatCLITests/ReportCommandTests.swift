import Foundation
import OCI
import TestSupport
import Testing

/// Reports as files, `--only-failed`, `validate` and `convert`, as the built command does them.
@Suite struct ReportCommandTests {
    private func definition(_ old: String, _ new: String, in folder: String) throws -> String {
        let text = """
            version: 1
            name: nightly
            stores: {old: {registry: '\(old)'}, new: {registry: '\(new)'}}
            steps:
              - {name: move, import: {from: old, to: new, onError: continue}}
              - {name: prove, verify: {store: new, against: old, deep: true}}
            """
        try Data(text.utf8).write(to: URL(fileURLWithPath: folder + "/p.yaml"))
        return folder + "/p.yaml"
    }

    private func json(_ path: String) throws -> JSONValue {
        try JSONValue(parsing: [UInt8](bytes(of: path)), in: path)
    }

    @Test func `a run leaves its report in both forms, and only what failed is repeated`() async throws {
        let (old, new) = (try await seededStore(), MemoryStore(name: "new"))
        let taken = try await SeededImages.push(
            to: try await new.target(RepositoryName("team/app1")), seed: 500, tags: [Tag("latest")])
        try await withTemporaryFolder { folder in
            try await TestRegistry.run(over: old) { from in
                try await TestRegistry.run(over: new) { to in
                    let file = try definition(from, to, in: folder)
                    let (report, page) = (folder + "/r.json", folder + "/r.html")
                    let first = try await Lifeboat.run("run", file, "--report", report, "--html", page)
                    #expect(first.status != 0)
                    // The failures stand last, by cause, each with its images.
                    let words = first.output.components(separatedBy: "\nfailed:\n")
                    #expect(words.count == 2, "\(first.output)")
                    #expect(words.last?.contains("conflict") ?? false, "\(first.output)")
                    #expect(words.last?.contains("    move: \(from)/team/app1:latest\n") ?? false, "\(first.output)")
                    #expect(words.first?.contains("10 images equal, 1 different") ?? false, "\(first.output)")
                    #expect(String(decoding: try bytes(of: page), as: UTF8.self).contains("team/app1:latest"))
                    let images = try json(report)["steps"]
                    guard case .array(let steps)? = images else { throw Unexpected() }
                    #expect(steps.count == 2)
                    #expect(steps[0]["totals"]?["failed"] == .number(1))
                    #expect(
                        try FileManager.default.contentsOfDirectory(atPath: folder).sorted() == [
                            "p.yaml", "r.html", "r.json",
                        ])

                    // Somebody frees the name: that image and the comparison are repeated, nothing else.
                    try await new.target(RepositoryName("team/app1"))
                        .push(try await old.manifest("team/app1", "latest"), tags: [Tag("latest")])
                    let second = try await Lifeboat.run("run", file, "--only-failed", report, "--report", report)
                    #expect(second.status == 0, "\(second.output)\(second.errors)")
                    #expect(second.output.hasPrefix("move: 1 already there in"), "\(second.output)")
                    #expect(second.output.contains("prove: 11 images equal, 0 different"), "\(second.output)")
                    #expect(second.output.contains("every byte of 11 images read again"), "\(second.output)")

                    let third = try await Lifeboat.run("run", file, "--only-failed", report)
                    #expect(third.status == 0)
                    #expect(
                        third.errors == "nothing failed in that run: there is nothing to repeat\n", "\(third.errors)")
                }
            }
        }
        #expect(taken.descriptor.size > 0)
    }

    private struct Unexpected: Error {}

    @Test func `verify --deep reads what it compares`() async throws {
        let store = try await seededStore()
        try await withTemporaryFolder { folder in
            try await TestRegistry.run(over: store) { host in
                #expect(try await Lifeboat.run("export", host, "--to", folder + "/a.tar").status == 0)
                let result = try await Lifeboat.run("verify", folder + "/a.tar", "--against", host, "--deep")
                #expect(result.status == 0, "\(result.output)\(result.errors)")
                #expect(result.output.contains("  both sides: 11 names, sha256:"), "\(result.output)")
                #expect(result.output.contains("read again"), "\(result.output)")
            }
        }
    }

    @Test func `where a report cannot go is known before the run`() async throws {
        let (old, new) = (try await seededStore(images: 1), MemoryStore(name: "new"))
        try await withTemporaryFolder { folder in
            try await TestRegistry.run(over: old) { from in
                try await TestRegistry.run(over: new) { to in
                    let file = try definition(from, to, in: folder)
                    let result = try await Lifeboat.run("run", file, "--report", folder + "/none/r.json")
                    #expect(result.status == 64, "\(result.errors)")
                    #expect(result.errors.contains("there is no folder \(folder)/none"), "\(result.errors)")
                }
            }
        }
        #expect(await new.repositories().isEmpty)
    }

    @Test func `validate names all faults of all files`() async throws {
        try await withTemporaryFolder { folder in
            let good = try definition("a.example.com", "b.example.com", in: folder)
            let bad = folder + "/bad.yaml"
            try Data(
                "version: 1\nstores: {a: {registry: a.io}}\nsteps: [{verify: {store: b}}, {verify: {sore: a}}]\n".utf8
            )
            .write(to: URL(fileURLWithPath: bad))
            let right = try await Lifeboat.run("validate", good)
            #expect(right.status == 0)
            #expect(right.output == "\(good): ok\n")
            let both = try await Lifeboat.run("validate", good, bad, folder + "/none.yaml")
            #expect(both.status == 78)
            #expect(
                both.output == """
                    \(good): ok
                    \(bad):3:26: steps[0].verify.store: there is no store 'b'; declared: a
                    \(bad):3:40: steps[1].verify.store: missing, want the name of a store
                    \(bad):3:41: steps[1].verify.sore: unknown key; did you mean 'store'?
                    \(folder)/none.yaml:1:1: there is no pipeline definition \(folder)/none.yaml

                    """, "\(both.output)")
            let machine = try await Lifeboat.run("validate", "--json", good, bad)
            #expect(machine.status == 78)
            let document = try JSONValue(parsing: Array(machine.output.utf8), in: "answer")
            guard case .array(let files)? = document["files"], case .array(let faults)? = files[1]["faults"] else {
                throw Unexpected()
            }
            #expect(files[0]["ok"] == .bool(true))
            #expect(faults.map { $0["line"] } == [.number(3), .number(3), .number(3)])
        }
    }

    @Test func `convert writes a definition to stdout and what it leaves out to stderr`() async throws {
        try await withTemporaryFolder { folder in
            let file = folder + "/regsync.yml"
            try Data("sync: [{source: a.io/x, target: b.io/x, type: repository, schedule: '@daily'}]\n".utf8)
                .write(to: URL(fileURLWithPath: file))
            let result = try await Lifeboat.run("convert", file)
            #expect(result.status == 0, "\(result.errors)")
            #expect(result.errors.hasPrefix("\(file):1: sync[0].schedule: "), "\(result.errors)")
            let converted = folder + "/p.yaml"
            try Data(result.output.utf8).write(to: URL(fileURLWithPath: converted))
            #expect(try await Lifeboat.run("validate", converted).output == "\(converted): ok\n")
            let other = try await Lifeboat.run("convert", converted)
            #expect(other.status == 78, "\(other.errors)")
            #expect(try await Lifeboat.run("convert", file, "--from", "dregsy").status == 64)
        }
    }
}

extension MemoryStore {
    fileprivate func manifest(_ repository: String, _ tag: String) async throws -> Manifest {
        let source = try source(RepositoryName(repository))
        return try await source.manifest(try await source.resolve(.tag(Tag(tag))))
    }
}
