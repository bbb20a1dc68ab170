import NIOCore
import OCI
import OCIArchive
import TestSupport
import Testing

@testable import Lifeboat

@Suite struct SelectionListTests {
    private let digest = "sha256:" + String(repeating: "ab", count: 32)

    private func fields(_ text: String) throws -> [String] {
        try ImageFieldScanner.fields(of: Array(text.utf8), file: "x.yaml").map { $0.text }
    }

    private static let documents: [(text: String, found: [String])] = [
        ("image: a:1", ["a:1"]),
        ("image:   \"a:1\"   # why", ["a:1"]),
        ("image: 'a:1'", ["a:1"]),
        ("image: a:1 # why", ["a:1"]),
        ("# image: a:1\nkind: Pod", []),
        (
            "spec:\n  containers:\n  - image: a:1\n    name: x\n  - name: y\n    image: b@sha256:12\n",
            ["a:1", "b@sha256:12"]
        ),
        ("- image: a\n- image: b", ["a", "b"]),
        ("image: a\n---\nimage: b\n...\n---\nimage: c", ["a", "b", "c"]),
        ("{\"a\":{\"image\":\"a:1\",\"b\":[{\"image\":\"b:1\"}]}}", ["a:1", "b:1"]),
        ("{\n  \"image\" : \"a\\/b:1\"\n}", ["a/b:1"]),
        ("containers: [{name: x, image: a:1}, {image: b:2, name: y}]", ["a:1", "b:2"]),
        ("image:\n  a:1\nother: b", ["a:1"]),
        ("image:\nother: b", []),
        ("image:\n- b", []),
        // Text that looks like a field and is none.
        ("script: |\n  image: no\n  more\nimage: a", ["a"]),
        ("script: >-\n    image: no\n\n    more\nimage: a", ["a"]),
        ("- script: |\n    image: no\n  image: a", ["a"]),
        ("data:\n  x.yaml: |2\n    image: no\n  y: z\nimage: a", ["a"]),
        ("last: '{\"image\":\"no\"}'\nimage: a", ["a"]),
        ("last: \"{\\\"image\\\":\\\"no\\\"}\"\nimage: a", ["a"]),
        ("message: it's\n  'going on\n  image: no\nimage: a", ["a"]),
        ("text: \"over\n  two lines\"\nimage: a", ["a"]),
        ("'it''s': x\nimage: a", ["a"]),
        ("notimage: a\nimages: b\nimagePullPolicy: Always", []),
        ("x: image\ny: 1", []),
        // Anchors stand for what they name, and nothing is made larger by them.
        ("a:\n  image: &x a:1\nb:\n  image: *x", ["a:1", "a:1"]),
        ("base: &x a:1\nimage: *x", ["a:1"]),
        ("image: !!str a:1", ["a:1"]),
        ("a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\nimage: z", ["z"]),
        ("<<: *base\nimage: z", ["z"]),
        // Image volumes.
        ("volumes:\n- name: v\n  image:\n    reference: a:1\n    pullPolicy: Never\n- reference: no", ["a:1"]),
        ("{\"image\":{\"reference\":\"a:1\"},\"reference\":\"no\"}", ["a:1"]),
        ("image:\n  repository: x\n  tag: y\nimage2: z", []),
        ("%YAML 1.2\n---\r\nimage: a\r\nb: c\r\n", ["a"]),
        ("image: \"{{ .Values.image }}\"", ["{{ .Values.image }}"]),
        (
            "status:\n  containerStatuses:\n  - image: a:1\n    imageID: docker-pullable://a@sha256:12",
            ["a:1", "docker-pullable://a@sha256:12"]
        ),
        ("? image\n: a", []),
        ("", []), ("\n\n", []), (":", []), ("- - - image: a", ["a"]), ("]]}}\nimage: a", ["a"]),
    ]

    @Test(arguments: documents)
    func `every image of a document is found`(_ text: String, _ found: [String]) throws {
        #expect(try fields(text) == found)
    }

    @Test func `a text in quotes that does not end is named by its line`() {
        let error = #expect(throws: DefinitionError.self) { try fields("a: b\nc: \"d\nimage: e\n") }
        #expect(error?.description == "x.yaml:2:1: a text in quotes does not end")
        #expect(throws: DefinitionError.self) { try fields("a\u{0}b") }
    }

    @Test func `deep nesting and a thousand million laughs cost nothing`() throws {
        var text = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n"
        for level in 1..<200 {
            text +=
                "a\(level): &a\(level) [" + Array(repeating: "*a\(level - 1)", count: 9).joined(separator: ",") + "]\n"
        }
        text += "image: a\n" + String(repeating: "[", count: 100_000) + "\n"
        #expect(try fields(text) == ["a"])
    }

    @Test func `any bytes are read to their end`() throws {
        for seed in 0..<200 {
            var bytes = Array(SeededBytes.buffer(300, seed: UInt64(seed)).readableBytesView)
            let signs = Array("{}[]:,-?#&*!|>'\"\n  image: a".utf8)
            for index in bytes.indices { bytes[index] = signs[Int(bytes[index]) % signs.count] }
            do {
                _ = try ImageFieldScanner.fields(of: bytes, file: "x")
            } catch {
                #expect(error.faults.count == 1)
            }
        }
    }

    private func read(_ kind: ImageList.Kind, _ files: [String: String], path: String) async throws
        -> ImageList.Contents
    {
        try await withTemporaryFolder { folder in
            for (name, text) in files {
                let parts = name.split(separator: "/")
                let files = LocalFileSystem()
                try await files.createFolder(([folder] + parts.dropLast().map(String.init)).joined(separator: "/"))
                let file = try await files.open(folder + "/" + name, .createNew)
                try await file.write(.init(string: text), at: 0)
                try await file.close()
            }
            let place = ImageList.Place(file: "p.yaml", line: 3, column: 7, key: "images[0].\(kind.rawValue)")
            var rule = SelectionRule(matching: [])
            rule.list = ImageList(kind: kind, path: folder + "/" + path, place: place)
            var reading = ImageListReading(fileSystem: LocalFileSystem())
            do {
                let selection = try await reading.read(Selection(rules: [rule]))
                return try #require(selection.rules[0].list?.contents)
            } catch let error as DefinitionError {
                throw Words(error.description.replacing(folder + "/", with: ""))
            }
        }
    }

    private struct Words: Error {
        let text: String
        init(_ text: String) { self.text = text }
    }

    @Test func `a list names images of the store, or of a host`() async throws {
        let contents = try await read(
            .list,
            [
                "images.txt":
                    "\u{feff}# what we run\r\nteam/app:1\r\n\r\n  team/app@\(digest)  # pinned\nbase\n"
                    + "registry.example.com/x/y:2@\(digest)\nteam/app:1\nlocalhost:5000/z:1\n"
            ], path: "images.txt")
        let shown = contents.images.map { "\($0.registry ?? "-") \($0.repository) \($0.target)" }
        #expect(
            shown == [
                "- team/app 1", "- team/app \(digest)", "- base latest", "registry.example.com x/y \(digest)",
                "localhost:5000 z 1",
            ])
    }

    @Test func `all wrong lines of a list are named`() async throws {
        let error = await #expect(throws: Words.self) {
            try await read(.list, ["l.txt": "team/app:1\nTeam/App:1\n  a b\nx@sha256:12\n"], path: "l.txt")
        }
        let lines = error?.text.split(separator: "\n").map(String.init) ?? []
        #expect(lines.count == 3, "\(lines)")
        #expect(lines.first?.hasPrefix("l.txt:2:1: ") ?? false, "\(lines)")
        #expect(lines.dropFirst().first == "l.txt:3:3: want one image a line, got several words")
        #expect(lines.last?.hasPrefix("l.txt:4:1: ") ?? false, "\(lines)")
    }

    @Test func `manifests are searched in folders, and pods give the digests that run`() async throws {
        let contents = try await read(
            .kubernetes,
            [
                "m/a.yaml": "image: debian:12\n---\nimage: ghcr.io/x/y:1\n", "m/deep/er/b.yml": "image: debian:12\n",
                "m/c.json": "{\"image\":\"r.example.com:5000/z@\(digest)\"}", "m/.git/x.yaml": "image: hidden\n",
                "m/readme.md": "image: no\n",
                "m/pods.yaml":
                    "- image: ghcr.io/x/y:1\n  imageID: docker-pullable://ghcr.io/x/y@\(digest)\n- imageID: ghcr.io/x/z@\(digest)\n"
                    + "- imageID: \(digest)\n- imageID: docker://\(digest)\n- image: \(digest)\n- image: '{{ .Values.image }}'\n",
            ], path: "m")
        let shown = contents.images.map { "\($0.registry ?? "-") \($0.repository) \($0.target)" }
        #expect(
            Set(shown) == [
                "docker.io library/debian 12", "ghcr.io x/y 1", "r.example.com:5000 z \(digest)",
                "ghcr.io x/y \(digest)", "ghcr.io x/z \(digest)",
            ])
        #expect(shown.count == 5)
        #expect(contents.unreadExample?.hasPrefix("'{{ .Values.image }}' at ") ?? false)
    }

    @Test(arguments: [
        (ImageList.Kind.list, "none.txt", "p.yaml:3:7: images[0].list: there is no none.txt"),
        (.kubernetes, "none", "p.yaml:3:7: images[0].kubernetes: there is no none"),
        (.list, "m", "p.yaml:3:7: images[0].list: m is not a file"),
        (
            .kubernetes, "m",
            "p.yaml:3:7: images[0].kubernetes: m has no file that ends in .yaml, .yml or .json"
        ),
    ])
    func `a file that is missing is a fault of the definition`(_ kind: ImageList.Kind, _ path: String, _ words: String)
        async throws
    {
        let error = await #expect(throws: Words.self) {
            try await read(kind, ["m/readme.md": ""], path: path)
        }
        #expect(error?.text == words)
    }

    @Test func `a definition reads its lists relative to itself`() async throws {
        try await withTemporaryFolder { folder in
            let files = LocalFileSystem()
            for (name, text) in [
                ("images.txt", "team/app:1\n"),
                (
                    "p.yaml",
                    "version: 1\nstores: {a: {registry: a.example.com}, f: {archive: f.tar}}\nimages: [{list: images.txt}]\n"
                        + "steps: [{export: {from: a, to: f}}, {verify: {store: f}}]\n"
                ),
                (
                    "bad.yaml",
                    "version: 1\nstores: {a: {registry: a.example.com}, f: {archive: f.tar}}\nimages: [{kubernetes: none/}]\n"
                        + "steps: [{export: {from: a, to: f}}]\n"
                ),
            ] {
                let file = try await files.open(folder + "/" + name, .createNew)
                try await file.write(.init(string: text), at: 0)
                try await file.close()
            }
            let pipeline = try await Pipeline.read(folder + "/p.yaml", from: files, variables: [:])
            let step = try pipeline.copyStep()
            #expect(step.sources[0].selection.rules[0].list?.contents?.images.count == 1)
            let error = await #expect(throws: DefinitionError.self) {
                try await Pipeline.read(folder + "/bad.yaml", from: files, variables: [:])
            }
            #expect(
                error?.description
                    == "\(folder)/bad.yaml:3:23: images[0].kubernetes: there is no \(folder)/none/")
        }
    }
}
