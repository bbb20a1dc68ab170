import OCI
import TestSupport
import Testing

@testable import Lifeboat

/// Files of regsync and skopeo sync become definitions, and what does not is named.
@Suite struct ConvertTests {
    private func convert(_ text: String, target: String? = nil) throws -> Conversion {
        let conversion = try Conversion(parsing: Array(text.utf8), file: "x.yml", target: target)
        try checkParses(conversion)
        return conversion
    }

    /// What is made has to be a definition.
    private func checkParses(_ conversion: Conversion) throws {
        #expect(
            try SchemaValidator("pipeline.schema.json").faults(json(conversion.definition)) == [],
            "\(conversion.definition)")
        #expect(throws: Never.self, "\(conversion.definition)") {
            try Pipeline(
                parsing: Array(conversion.definition.utf8), file: "p.yaml",
                variables: ["TARGET_REGISTRY": "new.example.com", "HUB_USER": "u", "HUB_TOKEN": "t"])
        }
    }

    @Test func `credentials that nothing uses are named`() throws {
        let conversion = try convert(
            """
            creds: [{registry: other.example.com, tls: insecure}]
            sync: [{source: a.io/x, target: b.io/x, type: repository}]
            """)
        #expect(
            conversion.notes.map(\.description) == [
                "x.yml:1: creds[0]: nothing that was carried over uses other.example.com: not carried over"
            ])
    }

    @Test func `a regsync file becomes a definition`() throws {
        let conversion = try convert(
            #"""
            version: 1
            creds:
              - registry: docker.io
                user: "{{env \"HUB_USER\"}}"
                pass: "{{env \"HUB_TOKEN\"}}"
              - registry: old.example.com
                tls: insecure
                reqConcurrent: 4
                reqPerSec: 20
            defaults:
              platform: linux/amd64
              interval: 60m
            sync:
              - source: busybox:1.36
                target: old.example.com/library/busybox:stable
                type: image
              - source: old.example.com/team/web
                target: new.example.com/mirror/team/web
                type: repository
                platforms: [linux/amd64, linux/arm64]
                tags:
                  allow: ["v1\\..*", "latest", "\\d+\\.\\d+"]
                  deny: [".*-rc.*"]
              - source: old.example.com
                target: new.example.com
                type: registry
                repos: {allow: ["team/.*"], deny: ["team/scratch.*"]}
                schedule: "15 3 * * *"
                backup: "old-{{.Ref.Tag}}"
            """#)
        #expect(
            conversion.definition == #"""
                # yaml-language-server: $schema=pipeline.schema.json
                # Made by lifeboat convert of the regsync file x.yml.
                version: 1
                name: regsync
                stores:
                  docker: {registry: docker.io, credentials: {username: $HUB_USER, password: $HUB_TOKEN}}
                  old: {registry: old.example.com, tls: {verify: false}, limits: {connections: 4, requests: 20/s}}
                  new: {registry: new.example.com}
                steps:
                  # line 14
                  - name: library/busybox:1.36
                    import:
                      from: docker
                      to: old
                      images:
                        - repositories: [library/busybox]
                          tags: ["1.36"]
                          platforms: [linux/amd64]
                      retag: [{from: "1\\.36", into: stable}]
                      overwrite: always
                  # line 17
                  - name: team/web
                    import:
                      from: old
                      to: new
                      images:
                        - repositories: [team/web]
                          tags: {include: ["v1.*", latest, "regex:[0-9]+\\.[0-9]+"], except: ["*-rc*"]}
                          platforms: [linux/amd64, linux/arm64]
                      prefix: mirror
                      overwrite: always
                  # line 24
                  - name: all-of-old.example.com
                    import:
                      from: old
                      to: new
                      images:
                        - repositories: ["team/**"]
                          except: ["team/scratch**"]
                          platforms: [linux/amd64]
                      overwrite: always
                """#, "\(conversion.definition)")
        #expect(
            conversion.notes.map(\.description) == [
                "x.yml:12: defaults.interval: not carried over: a definition has one schedule for all of its steps, schedule: {cron: \"…\"}, which lifeboat schedule keeps",
                "x.yml:28: sync[2].schedule: not carried over: a definition has one schedule for all of its steps, schedule: {cron: \"…\"}, which lifeboat schedule keeps",
                "x.yml:29: sync[2].backup: an export step before this one keeps what the target holds",
            ])
    }

    @Test func `a password in clear text is not carried over`() throws {
        let conversion = try convert(
            "creds: [{registry: a.io, user: me, pass: hunter2}]\nsync: [{source: a.io/x, target: b.io/x, type: repository}]"
        )
        #expect(!conversion.definition.contains("hunter2"))
        #expect(!conversion.notes.contains { $0.description.contains("hunter2") })
        #expect(conversion.notes.map(\.key) == ["creds[0].pass"])
    }

    @Test(.enabled(if: Fixtures.arePresent), arguments: ["config1.yml", "config2.yml"])
    func `regsync's own examples are read, aliases and all`(_ name: String) throws {
        let bytes = try Fixtures.bytes("regclient_regclient/cmd/regsync/testdata/" + name)
        let conversion = try Conversion(parsing: bytes, file: name)
        try checkParses(conversion)
        if name == "config1.yml" {
            #expect(conversion.definition.contains("repositories: [library/alpine]"), "\(conversion.definition)")
            #expect(conversion.definition.contains("registry: gcr.io"))
            #expect(conversion.definition.contains(#"tags: ["3", regex:3.9, latest]"#), "\(conversion.definition)")
            let keys = conversion.notes.map(\.key)
            for key in [
                "defaults.ratelimit", "defaults.parallel", "defaults.interval", "defaults.backup", "sync[0].schedule",
            ] {
                #expect(keys.contains(key), "\(key): \(keys)")
            }
        }
    }

    @Test func `a skopeo file becomes a definition`() throws {
        let conversion = try convert(
            #"""
            registry.example.com:
              tls-verify: false
              credentials: {username: john, password: "this is a secret"}
              images:
                busybox: []
                redis: ["1.0", sha256:0000000000000000000000000000000000000000000000000000000000000000]
              images-by-tag-regex:
                nginx: ^1\.13\.[12]-alpine-perl$
                redis: ^v
              images-by-semver:
                alpine: ">= 3.12.0, < 4"
            quay.io:
              images: {coreos/etcd: [latest]}
            """#, target: "new.example.com/mirror")
        #expect(
            conversion.definition == #"""
                # yaml-language-server: $schema=pipeline.schema.json
                # Made by lifeboat convert of the skopeo file x.yml.
                version: 1
                name: skopeo-sync
                stores:
                  registry: {registry: registry.example.com, tls: {verify: false}}
                  new: {registry: new.example.com/mirror}
                  quay: {registry: quay.io}
                steps:
                  # line 2
                  - name: registry.example.com
                    import:
                      from: registry
                      to: new
                      images:
                        - repositories: [busybox]
                        - repositories: [redis]
                          tags: ["1.0"]
                          digests: [sha256:0000000000000000000000000000000000000000000000000000000000000000]
                        - repositories: [nginx]
                          tags: ["regex:1\\.13\\.[12]-alpine-perl"]
                        - repositories: [alpine]
                          tags: {semver: ">= 3.12.0, < 4"}
                      overwrite: always
                  # line 2
                  - name: registry.example.com-2
                    import:
                      from: registry
                      to: new
                      images:
                        - repositories: [redis]
                          tags: ["v*"]
                      overwrite: always
                  # line 13
                  - name: quay.io
                    import:
                      from: quay
                      to: new
                      images:
                        - repositories: [coreos/etcd]
                          tags: [latest]
                      overwrite: always
                """#, "\(conversion.definition)")
        #expect(!conversion.notes.contains { $0.description.contains("this is a secret") })
        #expect(conversion.notes.contains { $0.key == "registry.example.com.credentials" && $0.line == 3 })
    }

    @Test func `without a target the definition asks for one`() throws {
        let conversion = try convert("a.io: {images: {x: []}}")
        #expect(conversion.definition.contains("{registry: $TARGET_REGISTRY}"))
        #expect(conversion.notes.contains { $0.key == "target" && $0.reason.contains("--to") })
    }

    @Test(arguments: [
        ("", "the file is empty"), ("a: b", "this is neither a regsync file"),
        ("[a]", "this is neither a regsync file"),
        ("sync: []", "nothing in it can be carried over"),
        ("sync: [{source: a, target: '{{ .Other }}', type: image}]", "the template in the target"),
        ("sync: [{source: a/b, target: c.io/b, type: imagge}]", "type 'imagge' is not known"),
        ("sync: [*none]", "there is no anchor 'none'"),
        ("x: {*a : b}\nsync: []", "a key must be a plain word"),
        ("sync: &a [*a]", "there is no anchor 'a'"),
    ])
    func `what is no such file is refused`(_ text: String, _ words: String) {
        let error = #expect(throws: DefinitionError.self) { try Conversion(parsing: Array(text.utf8), file: "x.yml") }
        #expect(error?.description.contains(words) ?? false, "\(error?.description ?? "")")
        #expect(error?.kind.exitCode == 78)
    }

    @Test func `aliases that stand for thousands of millions of nodes are refused at once`() {
        var text = "x-0: &a0 [1, 2, 3, 4, 5, 6, 7, 8, 9]\n"
        for level in 1...10 {
            text +=
                "x-\(level): &a\(level) [" + Array(repeating: "*a\(level - 1)", count: 9).joined(separator: ", ")
                + "]\n"
        }
        text += "sync: [*a10]\n"
        let error = #expect(throws: DefinitionError.self) { try Conversion(parsing: Array(text.utf8), file: "x.yml") }
        #expect(error?.description.contains("aliases expand it to more than 100000 nodes") ?? false)
    }

    private static let expressions: [(String, Bool, String?)] = [
        ("v1\\..*", true, "v1.*"), ("latest", true, "latest"), ("3.9", true, "regex:3.9"),
        ("\\d+", true, "regex:[0-9]+"),
        ("^v", false, "v*"), ("rc", false, "*rc*"), ("a|b", true, "regex:a|b"), ("(?:a|b)c", true, "regex:(a|b)c"),
        ("(?i)a", true, nil), ("\\bx", true, nil), ("[\\d.]+", true, "regex:[0-9.]+"), ("a.*?", true, "a*"),
        ("^a|b$", false, "regex:.*(^a|b$).*"), ("[a", true, nil),
    ]

    @Test(arguments: expressions)
    func `a Go expression becomes a glob or a POSIX expression`(
        _ expression: String, _ isWhole: Bool, _ expected: String?
    ) {
        #expect(GoExpression.convert(expression, isWhole: isWhole, wildcard: "*") == expected)
    }
}
