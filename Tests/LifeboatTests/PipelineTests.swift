import Foundation
import Lifeboat
import OCI
import TestSupport
import Testing

@Suite struct PipelineTests {
    private let head = """
        version: 1
        name: test
        stores:
          old: {registry: old.example.com}
          new: {registry: new.example.com/mirror}
          file: {archive: out/x.tar}

        """

    private func parse(_ text: String, variables: [String: String] = [:]) throws -> Pipeline {
        try Pipeline(parsing: Array(text.utf8), file: "folder/p.yaml", variables: variables)
    }

    private func faults(_ text: String, variables: [String: String] = [:]) -> [String] {
        do {
            _ = try parse(text, variables: variables)
            return []
        } catch let error as DefinitionError {
            #expect(error.kind.exitCode == 78)
            return error.description.split(separator: "\n").map(String.init)
        } catch {
            return ["unexpected \(error)"]
        }
    }

    @Test func `a whole pipeline becomes its steps`() throws {
        let pipeline = try parse(
            head + """
                images:
                  - {repositories: ["team/**"], except: "team/scratch", tags: {include: ["1.*"], except: "*-rc*"}}
                steps:
                  - {name: backup, export: {from: old, to: file}}
                  - {import: {from: file, to: new, overwrite: always, onError: continue}}
                  - {verify: {store: new, against: old}}
                """)
        #expect(pipeline.name == "test")
        #expect(pipeline.steps.map(\.name) == ["backup", "import-2", "verify-3"])
        let (export, copy) = (try pipeline.copyStep(0), try pipeline.copyStep(1))
        guard case .verify(let verify) = pipeline.steps[2].work else {
            Issue.record("wrong kind of step")
            return
        }
        #expect(export.target == .archive(path: "folder/out/x.tar"))
        #expect(copy.overwrite == .always)
        #expect(copy.naming.prefix == "mirror")
        #expect(pipeline.steps[1].onError == .continue)
        #expect(verify.against == .registry(host: "new.example.com", prefix: "mirror"))
        let rule = try #require(export.sources.first?.selection.rules.first)
        #expect(try rule.matches(RepositoryName("team/a")))
        #expect(try !rule.matches(RepositoryName("team/scratch")))
        #expect(try rule.matches(Tag("1.10")))
        #expect(try !rule.matches(Tag("1.1-rc1")))
    }

    @Test func `tags stay text`() throws {
        let pipeline = try parse(
            head
                + "steps:\n  - {export: {from: old, to: file, images: [{repositories: no, tags: [1.10, yes, 1e3, 0x10]}]}}\n"
        )
        let step = try pipeline.copyStep()
        let rule = step.sources[0].selection.rules[0]
        #expect(rule.repositories.map(\.description) == ["no"])
        #expect(rule.tags.map(\.description) == ["1.10", "yes", "1e3", "0x10"])
    }

    @Test func `a variable is a whole value, and has to be set`() throws {
        let text =
            "version: 1\nstores: {a: {registry: $HOST}, f: {archive: $FILE}}\nsteps: [{export: {from: a, to: f}}]\n"
        let pipeline = try parse(text, variables: ["HOST": "h.example.com", "FILE": "/tmp/x.tar"])
        let step = try pipeline.copyStep()
        #expect(step.target == .archive(path: "/tmp/x.tar"))
        #expect(
            faults(text, variables: ["HOST": "h.example.com"]).contains(
                "folder/p.yaml:2:45: stores.f.archive: the variable $FILE is not set"))
    }

    @Test(arguments: [
        (
            "steps:\n  - {export: {from: old, too: file, to: file}}",
            "folder/p.yaml:8:26: steps[0].export.too: unknown key; did you mean 'to'?"
        ),
        (
            "steps:\n  - {export: {from: odl, to: file}}",
            "folder/p.yaml:8:21: steps[0].export.from: there is no store 'odl'; declared: file, new, old"
        ),
        (
            "steps:\n  - {export: {from: old, to: new}}",
            "folder/p.yaml:8:30: steps[0].export.to: export writes an archive or a layout, this store is a registry; use import"
        ),
        (
            "steps:\n  - {import: {from: old, to: file}}",
            "folder/p.yaml:8:30: steps[0].import.to: import writes to a registry, this store is a file or folder; use export"
        ),
        (
            "steps:\n  - {import: {from: old, to: new, overwrite: maybe}}",
            "folder/p.yaml:8:46: steps[0].import.overwrite: 'maybe' is not known, want one of never, ours, always"
        ),
        ("steps: []", "folder/p.yaml:7:8: steps: want a list of steps, got an empty one"),
        ("", "folder/p.yaml:1:1: steps: missing, want a list of steps"),
        ("name: twice", "folder/p.yaml:2:1: the key 'name' stands twice"),
        ("steps:\n  - {name: x}", "folder/p.yaml:8:5: steps[0]: want one of export, import, verify and drill"),
        (
            "images: &a []\nsteps: *a",
            "folder/p.yaml:7:9: images: anchors (&) and aliases (*) are not read; put the value in quotes if it is a text"
        ),
        (
            "steps:\n  - {export: {from: old, to: file, images: [{repositories: a, platforms: linux}]}}",
            "folder/p.yaml:8:74: steps[0].export.images[0].platforms: 'linux' is not a platform"
        ),
    ])
    func `each fault says where it is and what is wanted`(_ text: String, _ expected: String) {
        let found = faults(head + text)
        #expect(found.contains(expected), "\(found)")
    }

    @Test func `all faults come in one go, in order`() {
        let found = faults("version: 2\nnane: x\nstores: {a: {registry: 'http://x'}, b: {arhive: x}}\nsteps: 3\n")
        #expect(found.count == 5)
        #expect(found.first == "folder/p.yaml:1:10: version: '2' is not known, want 1")
        #expect(found.contains("folder/p.yaml:2:1: nane: unknown key; did you mean 'name'?"))
    }

    @Test(arguments: ["", "\u{0}", "a: [", "a: b\n---\nc: d", "\t- x", "- a\n- b", "just text"])
    func `what is no definition is refused`(_ text: String) {
        #expect(!faults(text).isEmpty)
    }

    @Test func `a file above the limit is refused before it is parsed`() {
        let found = faults(String(repeating: "#", count: (1 << 20) + 1))
        #expect(found == ["folder/p.yaml:1:1: the file has 1048577 bytes, the limit is 1048576"])
    }

    @Test(
        .enabled(if: Fixtures.arePresent),
        arguments: [
            "regclient_regclient/cmd/regsync/testdata/config1.yml",
            "regclient_regclient/cmd/regbot/testdata/config1.yml",
        ])
    func `another tool's definition is refused with the key that is not ours`(_ name: String) throws {
        let error = #expect(throws: DefinitionError.self) {
            try Pipeline(parsing: Fixtures.bytes(name), file: "x.yml", variables: [:])
        }
        let words = error?.description ?? ""
        #expect(
            words.contains("creds: unknown key") || words.contains(": anchors (&)")
                || words.contains("scripts: unknown key"), "\(words)")
    }

    @Test func `every definition in pipelines can be read`() throws {
        let folder = Fixtures.package.appendingPathComponent("pipelines")
        let names = try FileManager.default.contentsOfDirectory(atPath: folder.path).filter { $0.hasSuffix(".yaml") }
        #expect(!names.isEmpty)
        for name in names {
            let bytes = [UInt8](try Data(contentsOf: folder.appendingPathComponent(name)))
            var variables: [String: String] = [:]
            for word in String(decoding: bytes, as: UTF8.self).split(whereSeparator: {
                !($0.isLetter || $0 == "_" || $0 == "$")
            })
            where word.hasPrefix("$") {
                let name = String(word.dropFirst())
                variables[name] =
                    name.contains("ARCHIVE")
                    ? "x-{date}.tar"
                    : name == "AT"
                        ? "2026-11-20T08:00:00Z"
                        : name == "SIZE"
                            ? "4700MB"
                            : name.lowercased().replacingOccurrences(of: "_", with: "-") + ".example.com"
            }
            #expect(throws: Never.self, "\(name)") { try Pipeline(parsing: bytes, file: name, variables: variables) }
        }
    }
}
