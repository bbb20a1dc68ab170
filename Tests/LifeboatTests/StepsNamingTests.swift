import OCI
import Testing

@testable import Lifeboat

@Suite struct StepsNamingTests {
    private let digest = Digest(of: Array("x".utf8))

    private func image(_ repository: String, _ tag: String?) throws -> NamedImage {
        NamedImage(
            registry: "old", repository: try RepositoryName(repository), tag: try tag.map { try Tag($0) },
            descriptor: Descriptor(mediaType: .ociManifest, digest: digest, size: 1))
    }

    private func name(_ naming: Naming, _ repository: String, _ tag: String?) throws -> String {
        let (repository, tag) = try naming.target(for: try image(repository, tag))
        return "\(repository)" + (tag.map { ":\($0)" } ?? "")
    }

    @Test(arguments: [
        ("team/(.*)", "mirror/team/\\1", "team/app", "mirror/team/app"),
        ("team/(.*)", "mirror/team/\\1", "other/team/app", nil),
        ("team", "x", "team/app", nil),
        ("a|b", "x", "b", "x"),
        ("(a)|(b)", "x\\1\\2", "b", "xb"),
        ("([a-z]+)/([a-z]+)-([0-9]+)", "\\2/\\1/\\3", "team/app-12", "app/team/12"),
        ("(.*)/(.*)/(.*)", "\\1-\\3", "a/b/c/d", "a/b-d"),
        ("v?(1\\.[0-9]+)", "\\1", "v1.10", "1.10"),
        ("((((((((a))))))))(b)", "\\9\\1", "ab", "ba"),
    ])
    func `a rule rewrites whole names`(_ from: String, _ into: String, _ name: String, _ result: String?) throws {
        #expect(try Rewrite(from: from, into: into).result(for: name) == result)
    }

    @Test(arguments: [
        ("", "x", "it is empty"), ("(a", "x", "'(a' is not a regular expression that is taken: unmatched ("),
        ("(a)\\1", "x", "it refers back (\\1)"),
        ("a{99}{99}", "x", "its repetitions stand for more than 2000 characters"),
        ("((a{9}){9}){99999999999999999999}", "x", ""),
        (String(repeating: "a", count: 257), "x", "the regular expression has 257 characters, the limit is 256"),
        ("(a)", "\\2", "\\2 is not there: the pattern has 1 group"), ("a", "\\1", "the pattern has 0 groups"),
        ("a", "x\\", "a backslash stands for a group"), ("a", "\\n", "a backslash stands for a group"),
    ])
    func `a rule that cannot work is refused`(_ from: String, _ into: String, _ words: String) {
        let error = #expect(throws: (any Error).self) { try Rewrite(from: from, into: into) }
        #expect(words.isEmpty || "\(error as Any)".contains(words), "\(error as Any)")
    }

    @Test func `a pattern that makes others slow is not slow`() throws {
        let rule = try Rewrite(from: "(a+)+b", into: "x")
        let began = ContinuousClock.now
        #expect(rule.result(for: String(repeating: "a", count: 255)) == nil)
        #expect(began.duration(to: .now) < .seconds(2))
    }

    @Test func `the first rule that matches renames, the prefix comes before it`() throws {
        let naming = Naming(
            prefix: "mirror",
            rename: [
                try Rewrite(from: "team/web", into: "front"), try Rewrite(from: "team/(.*)", into: "t/\\1"),
                try Rewrite(from: ".*", into: "never"),
            ].dropLast())
        #expect(try name(naming, "team/web", "1") == "mirror/front:1")
        #expect(try name(naming, "team/app", "1") == "mirror/t/app:1")
        #expect(try name(naming, "base", "1") == "mirror/base:1")
    }

    @Test func `tags are rewritten, and a digest gets a tag`() throws {
        let naming = Naming(retag: [
            .tag(try Rewrite(from: "v(.*)", into: "\\1")), .digest(digest, try Tag("pinned")),
        ])
        #expect(try name(naming, "app", "v1.2") == "app:1.2")
        #expect(try name(naming, "app", "1.2") == "app:1.2")
        #expect(try name(naming, "app", nil) == "app:pinned")
        let other = Naming(retag: [.digest(Digest(of: [1]), try Tag("pinned"))])
        #expect(try name(other, "app", nil) == "app")
    }

    @Test func `names made of digests stay, since nobody would find them under others`() throws {
        let naming = Naming(retag: [.tag(try Rewrite(from: "(.*)", into: "x-\\1"))])
        for tag in ["sha256-\(digest.hex)", "sha256-\(digest.hex).sig", "sha256-\(digest.hex).att"] {
            #expect(try name(naming, "app", tag) == "app:\(tag)")
        }
        #expect(try name(naming, "app", "sha256-1") == "app:x-sha256-1")
    }

    @Test func `a prefix can be taken off again, a rename cannot`() throws {
        let app = try RepositoryName("team/app")
        #expect(Naming().original(of: app) == app)
        let prefixed = Naming(prefix: "kept/a")
        #expect(prefixed.original(of: try RepositoryName("kept/a/team/app")) == app)
        for name in ["kept/a", "kept/ab/team/app", "team/app"] {
            #expect(prefixed.original(of: try RepositoryName(name)) == nil, "\(name)")
        }
        let renamed = Naming(rename: [try Rewrite(from: "none", into: "other")])
        #expect(renamed.original(of: app) == nil)
    }

    @Test func `what the rules make no name of is not at the target`() throws {
        let app = try RepositoryName("app")
        let naming = Naming(
            prefix: "kept", rename: [try Rewrite(from: "bad", into: "Bad")],
            retag: [.tag(try Rewrite(from: "v(.*)", into: "-\\1"))])
        #expect(naming.held(app)?.description == "kept/app")
        #expect(naming.held(try RepositoryName("bad")) == nil)
        #expect(naming.held(try Tag("1"), in: app)?.description == "kept/app:1")
        #expect(naming.held(try Tag("v1"), in: app) == nil)
        #expect(naming.held(try Tag("1"), in: try RepositoryName("bad")) == nil)
    }
}
