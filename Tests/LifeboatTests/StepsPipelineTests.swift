import Lifeboat
import OCI
import Testing

@Suite struct StepsPipelineTests {
    private let head = """
        version: 1
        state: state
        stores:
          old: {registry: old.example.com}
          new: {registry: new.example.com/mirror}
          dr: {registry: dr.example.com}
          a: {archive: out/a.tar}
          b: {archive: out/b.tar.zst}
          folder: {layout: out/folder}
        steps:

        """

    private func parse(_ text: String) throws -> Pipeline {
        try Pipeline(parsing: Array((head + text).utf8), file: "folder/p.yaml", variables: [:])
    }

    @Test func `several targets have names of their own`() throws {
        let pipeline = try parse(
            """
              - import:
                  from: a
                  to: [new, dr]
                  prefix: x
                  rename: [{from: "team/(.*)", into: '\\1'}]
                  retag: [{from: "v(.*)", into: '\\1'}]
                  overwrite: ours
            """)
        #expect(pipeline.state == "folder/state")
        let step = try pipeline.copyStep()
        #expect(step.overwrite == .ours)
        #expect(step.targets.map(\.store.description) == ["new.example.com/mirror", "dr.example.com"])
        #expect(step.targetNames == "new.example.com/mirror, dr.example.com")
        let image = NamedImage(
            registry: nil, repository: try RepositoryName("team/app"), tag: try Tag("v1"),
            descriptor: Descriptor(mediaType: .ociManifest, digest: Digest(of: [1]), size: 1))
        let names = try step.targets.map { try $0.naming.target(for: image) }
        #expect(names.map(\.0.description) == ["mirror/x/app", "x/app"])
        #expect(names.map(\.1?.description) == ["1", "1"])
    }

    @Test(arguments: [
        ("{export: {from: old, to: []}}", "11:30: steps[0].export.to: want the name of a store or a list of them"),
        ("{export: {from: old, to: [a, a]}}", "11:34: steps[0].export.to[1]: the same store stands twice in to"),
        ("{import: {from: old, to: [new, old]}}", "11:36: steps[0].import.to[1]: from and to are the same store"),
        (
            "{import: {from: old, to: [new, x]}}",
            "11:36: steps[0].import.to[1]: there is no store 'x'; declared: a, b, dr, folder, new, old"
        ),
        (
            "{import: {from: old, to: [new, a]}}",
            "11:36: steps[0].import.to[1]: import writes to a registry, this store is a file or folder; use export"
        ),
        (
            "{export: {from: old, to: a, overwrite: always}}",
            "11:44: steps[0].export.overwrite: an archive is written whole; force: true replaces one that holds something else"
        ),
        (
            "{export: {from: old, to: folder, overwrite: ours}}",
            "11:49: steps[0].export.overwrite: ours is for registries, want never or always"
        ),
        (
            "{import: {from: old, to: new, force: true}}",
            "11:42: steps[0].import.force: force replaces archives, and there is none in to; use overwrite"
        ),
        (
            "{import: {from: old, to: new, rename: x}}",
            "11:43: steps[0].import.rename: want a list of rules, got a text"
        ),
        (
            "{import: {from: old, to: new, rename: [{from: x}]}}",
            "11:44: steps[0].import.rename[0].into: missing, want what it becomes"
        ),
        (
            "{import: {from: old, to: new, rename: [{from: '(', into: x}]}}",
            "11:51: steps[0].import.rename[0].from: '(' is not a regular expression that is taken: unmatched ( or \\("
        ),
        (
            "{import: {from: old, to: new, rename: [{from: 'a(b)', into: '\\2'}]}}",
            "11:65: steps[0].import.rename[0].into: \\2 is not there: the pattern has 1 group"
        ),
        (
            "{import: {from: old, to: new, retag: [{digest: x, tag: y}]}}",
            "11:52: steps[0].import.retag[0].digest: 'x' is not a digest"
        ),
        (
            "{import: {from: old, to: new, retag: [{from: x, tag: y}]}}",
            "11:43: steps[0].import.retag[0]: want either from and into, or digest and tag"
        ),
        (
            "{import: {from: old, to: new, retag: [{digest: 'sha256:x'}]}}",
            "11:43: steps[0].import.retag[0].tag: missing, want a tag"
        ),
        (
            "{verify: {store: new, prefix: x}}",
            "11:35: steps[0].verify.prefix: says what images of against are called in store, and there is no against"
        ),
    ])
    func `each fault says where it is and what is wanted`(_ step: String, _ expected: String) {
        let error = #expect(throws: DefinitionError.self) { try parse("  - " + step) }
        let found = (error?.description ?? "").split(separator: "\n").map(String.init)
        #expect(found.contains { $0.hasPrefix("folder/p.yaml:" + expected) }, "\(found)")
    }
}
