import Logging
import NIOCore
import NIOHTTP1
import OCI
import OCIArchive
import OCIRegistry
import Synchronization
import TestSupport
import Testing

@testable import Lifeboat

@Suite struct SelectorTests {
    private typealias Tag = OCI.Tag

    /// Images with numbers for seeds, each with its tags.
    @discardableResult
    private func push(_ store: MemoryStore, _ repository: String, _ seed: UInt64, _ tags: String...) async throws
        -> Manifest
    {
        try await SeededImages.push(
            to: try await store.target(RepositoryName(repository)), seed: seed, layerSizes: [10],
            tags: tags.map { try Tag($0) })
    }

    /// An image with times of creation: of its config, and as an annotation.
    private func push(
        _ store: MemoryStore, _ repository: String, tag: String, created: String?, annotation: String? = nil
    ) async throws {
        let target = try await store.target(RepositoryName(repository))
        var members: [String: JSONValue] = ["os": .string("linux"), "tag": .string(tag)]
        members["created"] = created.map { .string($0) }
        let config = ByteBuffer(string: JSONValue.object(members).text)
        let blob = Descriptor(of: config, mediaType: .ociConfig)
        try await target.write(Content(config, as: blob, from: "test"))
        let annotations = annotation.map { ["org.opencontainers.image.created": $0] } ?? [:]
        let bytes = SeededImages.manifest(config: blob, layers: [], annotations: annotations)
        try await target.push(try Manifest(bytes, mediaType: .ociManifest, from: "test"), tags: [try Tag(tag)])
    }

    private func sign(_ store: MemoryStore, _ repository: String, _ image: Manifest, _ seed: UInt64) async throws {
        try await push(store, repository, seed, "sha256-\(image.descriptor.digest.hex).sig")
    }

    /// Rules as a definition has them, one a line.
    private func rules(_ text: String) throws -> Selection {
        let text =
            "version: 1\nstores: {a: {registry: a.example.com}, f: {archive: f.tar}}\nsteps: [{export: {from: a, to: f}}]\n"
            + "images:\n" + text.split(separator: "\n").map { "  - \($0)\n" }.joined()
        let pipeline = try Pipeline(parsing: Array(text.utf8), file: "p.yaml", variables: [:])
        return try pipeline.copyStep().sources[0].selection
    }

    private func list(_ lines: String, kind: ImageList.Kind = .list) throws -> SelectionRule {
        var gathering = Gathering()
        if kind == .list {
            try gathering.addLines(Array(lines.utf8), file: "images.txt")
        } else {
            try gathering.addFields(Array(lines.utf8), file: "x.yaml")
        }
        var rule = SelectionRule(matching: [], tags: [])
        rule.list = ImageList(
            kind: kind, path: "images.txt", place: .init(file: "p", line: 1, column: 1, key: ""),
            contents: gathering.contents)
        return rule
    }

    /// What is chosen, by requests and from a store that knows its images: both must choose the same.
    private func select(_ store: MemoryStore, _ selection: Selection, sourceLocation: SourceLocation = #_sourceLocation)
        async throws -> Selector.Outcome
    {
        let outcome = try await Selector(store: store).select(selection)
        let other = try await Selector(store: CatalogedStore(store: store)).select(selection)
        #expect(
            Set(outcome.selected.map(\.image.name)) == Set(other.selected.map(\.image.name)),
            sourceLocation: sourceLocation)
        #expect(
            Set(outcome.selected.map(\.applied.summary)) == Set(other.selected.map(\.applied.summary)),
            sourceLocation: sourceLocation)
        #expect(
            outcome.failures.map(\.name).sorted() == other.failures.map(\.name).sorted(),
            sourceLocation: sourceLocation)
        return outcome
    }

    private func names(_ outcome: Selector.Outcome) -> [String] { outcome.selected.map(\.image.name) }

    // MARK: Tags

    @Test(arguments: [
        ("{repositories: app}", ["0.9", "1.0", "1.10", "1.10-rc1", "1.2", "1.2.3", "latest", "v2"]),
        ("{repositories: app, tags: '1.*'}", ["1.0", "1.10", "1.10-rc1", "1.2", "1.2.3"]),
        ("{repositories: app, tags: {include: '1.*', except: '*-rc*'}}", ["1.0", "1.10", "1.2", "1.2.3"]),
        ("{repositories: app, tags: {include: 'regex:v?[0-9]'}}", ["v2"]),
        ("{repositories: app, tags: {semver: '>=1.2 <3'}}", ["1.10", "1.2", "1.2.3", "v2"]),
        ("{repositories: app, tags: {semver: '>=1.10-0', except: v2}}", ["1.10", "1.10-rc1"]),
        ("{repositories: app, tags: {newest: 2, semver: '*'}}", ["1.10", "v2"]),
        ("{repositories: app, tags: {newest: 3, by: semver, except: latest}}", ["1.10", "1.2.3", "v2"]),
        ("{repositories: app, tags: {newest: 1, semver: '<1'}}", ["0.9"]),
        ("{repositories: app, tags: {newest: 100, include: '1.2*'}}", ["1.2", "1.2.3"]),
        ("{repositories: app, tags: [latest, v2]}", ["latest", "v2"]),
        ("{repositories: app, tags: {include: [v2, latest, '0.9'], semver: '>=1'}}", ["v2"]),
    ])
    func `tags are chosen by name and version`(_ rule: String, _ tags: [String]) async throws {
        let store = MemoryStore(name: "r")
        for (seed, tag) in ["latest", "v2", "1.10", "1.2", "1.2.3", "1.10-rc1", "1.0", "0.9"].enumerated() {
            try await push(store, "app", UInt64(seed), tag)
        }
        let outcome = try await select(store, rules(rule))
        #expect(names(outcome).sorted() == tags.map { "app:" + $0 })
        #expect(outcome.failures.isEmpty)
    }

    @Test func `tags that are no versions are named, not guessed`() async throws {
        let store = MemoryStore(name: "r")
        for (seed, tag) in ["1", "latest", "main", "a", "b", "c", "d"].enumerated() {
            try await push(store, "app", UInt64(seed), tag)
        }
        try await push(store, "other", 1, "1", "2")
        let outcome = try await select(store, rules("{repositories: '**', tags: {newest: 1}}"))
        #expect(names(outcome) == ["other:2"])
        #expect(outcome.failures.map(\.name) == ["r/app"])
        #expect(
            outcome.failures.map { "\($0.error)" }
                == ["tags of r/app cannot be ordered: a, b, c, d, latest and 1 more have no version"])
    }

    @Test func `the newest are found by the times in config or annotation`() async throws {
        let store = MemoryStore(name: "r")
        try await push(store, "app", tag: "a", created: "2026-01-03T00:00:00Z")
        try await push(store, "app", tag: "b", created: "2026-01-01T00:00:00Z")
        try await push(store, "app", tag: "c", created: "2020-01-01T00:00:00Z", annotation: "2026-01-02T00:00:00Z")
        try await push(store, "app", tag: "d", created: "2026-01-02T01:00:00+01:00")
        var outcome = try await select(store, rules("{repositories: app, tags: {newest: 2, by: created}}"))
        // Of c and d, made at one time, the later name.
        #expect(names(outcome).sorted() == ["app:a", "app:d"])

        // An index is as old as its first image.
        let source = try await store.source(RepositoryName("app"))
        let old = try await source.resolve(.tag(Tag("b")))
        try await store.target(RepositoryName("app")).push(
            Manifest(SeededImages.index([old]), mediaType: .ociIndex, from: "test"), tags: [Tag("i")])
        outcome = try await select(store, rules("{repositories: app, tags: {newest: 5, by: created}}"))
        #expect(names(outcome).count == 5)
        outcome = try await select(store, rules("{repositories: app, tags: {newest: 4, by: created}}"))
        #expect(names(outcome).sorted() == ["app:a", "app:c", "app:d", "app:i"])

        try await push(store, "app", tag: "zero", created: "1970-01-01T00:00:00Z")
        try await push(store, "app", tag: "none", created: nil)
        outcome = try await select(store, rules("{repositories: app, tags: {newest: 4, by: created}}"))
        #expect(names(outcome).isEmpty)
        #expect(
            outcome.failures.map { "\($0.error)" }
                == ["tags of r/app cannot be ordered: none, zero have no time of creation"])
    }

    // MARK: What belongs to an image

    @Test(arguments: [
        "{repositories: app, tags: multi}", "{repositories: app, tags: 'mul*'}", "{repositories: '*', tags: 'mul*'}",
    ])
    func `signatures of the children of an index come with it`(_ rule: String) async throws {
        let store = MemoryStore(name: "r")
        let children = [try await push(store, "app", 1), try await push(store, "app", 2)]
        let descriptors = zip(children, ["amd64", "arm64"]).map { child, architecture in
            var descriptor = child.descriptor
            descriptor.platform = Platform(os: "linux", architecture: architecture)
            return descriptor
        }
        let index = try Manifest(SeededImages.index(descriptors), mediaType: .ociIndex, from: "test")
        try await store.target(RepositoryName("app")).push(index, tags: [Tag("multi")])
        let other = try await push(store, "app", 3, "other")
        for (number, image) in (children + [index, other]).enumerated() {
            try await sign(store, "app", image, UInt64(10 + number))
        }
        let signatures = (children + [index]).map { "app:sha256-\($0.descriptor.digest.hex).sig" }
        #expect(try await Set(names(select(store, rules(rule)))) == Set(["app:multi"] + signatures))
        // Of platforms that are left out, nothing is taken along.
        let one = rule.replacing("}", with: ", platforms: linux/arm64}")
        let some = try await names(select(store, rules(one)))
        #expect(some.contains(signatures[1]))
        #expect(!some.contains(signatures[0]))
    }

    @Test func `signatures come with their image and are no versions`() async throws {
        let store = MemoryStore(name: "r")
        let old = try await push(store, "app", 1, "1.0")
        let new = try await push(store, "app", 2, "2.0")
        try await sign(store, "app", old, 11)
        try await sign(store, "app", new, 12)
        try await push(store, "app", 13, "sha256-\(new.descriptor.digest.hex)")
        let signature = "app:sha256-\(new.descriptor.digest.hex).sig"
        let all = ["app:2.0", String(signature.dropLast(4)), signature]
        for rule in [
            "{repositories: app, tags: {newest: 1}}", "{repositories: app, tags: '2.0'}",
            "{repositories: app, digests: ['\(new.descriptor.digest)'], tags: '2.*'}",
            "{repositories: '*', tags: '2.*'}", "{repositories: app, tags: {newest: 1, by: semver, semver: '>=2'}}",
        ] {
            let outcome = try await select(store, rules(rule))
            #expect(Set(names(outcome)).isSuperset(of: all), "\(rule)")
            #expect(!names(outcome).contains { $0.contains(old.descriptor.digest.hex) }, "\(rule)")
            let companions = outcome.selected.filter { $0.companionOf != nil }
            #expect(companions.count == 2)
            #expect(companions.allSatisfy { $0.companionOf == new.descriptor.digest })
        }
        // Everything is everything, each once, and each knows its image.
        let everything = try await select(store, .all)
        #expect(everything.selected.count == 5)
        #expect(everything.selected.count { $0.companionOf != nil } == 3)
        // Not wanted, or of the wrong kind.
        for rule in [
            "{repositories: app, tags: '2.0', referrers: false}", "{repositories: app, tags: '2.*', referrers: false}",
            "{repositories: app, tags: {include: '2.*', except: 'sha256-*'}}",
            "{repositories: app, tags: '2.*', referrers: {types: 'application/spdx*'}}",
        ] {
            #expect(try await names(select(store, rules(rule))) == ["app:2.0"], "\(rule)")
        }
        let typed = try await select(
            store, rules("{repositories: app, tags: '2.*', referrers: {types: '*/*cosign*.sig.*'}}"))
        #expect(names(typed) == ["app:2.0", signature])
    }

    @Test func `a signature by itself can be named`() async throws {
        let store = MemoryStore(name: "r")
        let image = try await push(store, "app", 1, "1.0")
        try await sign(store, "app", image, 11)
        let name = "sha256-\(image.descriptor.digest.hex).sig"
        #expect(try await names(select(store, rules("{repositories: app, tags: \(name)}"))) == ["app:" + name])
    }

    @Test func `a signature keeps its tag when its image gets another name`() async throws {
        let store = MemoryStore(name: "r")
        let image = try await push(store, "app", 1, "1.0")
        try await sign(store, "app", image, 11)
        let target = MemoryStore(name: "t")
        let spool = ManifestSpool(fileSystem: LocalFileSystem(), folder: "unused")
        let plan = try await Planner(
            target: target, naming: Naming(exact: try Reference(parsing: "t.example.com/b:2")), overwrite: .never,
            spool: spool
        ).plan([Planner.Source(store: store, selection: rules("{repositories: app, tags: '1.0'}"))])
        #expect(
            plan.items.map { "\($0.targetRepository):\($0.targetTag.map(\.description) ?? "")" }
                == ["b:2", "b:sha256-\(image.descriptor.digest.hex).sig"])
    }

    @Test func `referrers of other types stay behind`() async throws {
        let store = MemoryStore(name: "r")
        let image = try await push(store, "app", 1, "1.0")
        let target = try await store.target(RepositoryName("app"))
        for (seed, type) in ["application/spdx+json", "application/vnd.other"].enumerated() {
            let config = ByteBuffer(string: "{\"n\":\(seed)}")
            let blob = Descriptor(of: config, mediaType: .ociConfig)
            try await target.write(Content(config, as: blob, from: "test"))
            let bytes = SeededImages.manifest(
                config: blob, layers: [], subject: image.descriptor, artifactType: type)
            try await target.push(Manifest(bytes, mediaType: .ociManifest, from: "test"), tags: [])
        }
        let rule = try #require(
            try rules("{repositories: app, tags: '1.0', referrers: {types: 'application/spdx*'}}").rules.first)
        let source = await store.source(try RepositoryName("app"))
        let reader = SpooledReader(
            source: source, spool: ManifestSpool(fileSystem: LocalFileSystem(), folder: "unused"))
        let graph = try await ImageGraph.read(
            image.descriptor, from: reader, where: { rule.wants(referrer: $0) })
        #expect(graph.manifests.count == 2)
        #expect(graph.referrers[image.descriptor.digest]?.compactMap(\.artifactType) == ["application/spdx+json"])
    }

    // MARK: Rules

    @Test func `the first rule that matches a repository owns it`() async throws {
        let store = MemoryStore(name: "r")
        for (seed, name) in ["a/x", "a/y", "b/x", "c"].enumerated() {
            try await push(store, name, UInt64(seed), "1", "2")
        }
        let outcome = try await select(
            store,
            rules("{repositories: a/x, tags: '1'}\n{repositories: 'a/*', tags: '2'}\n{repositories: ['**'], except: c}")
        )
        #expect(names(outcome) == ["a/x:1", "a/y:2", "b/x:1", "b/x:2"])
        #expect(outcome.selected.map(\.ruleNumber) == [1, 2, 3, 3])
        #expect(outcome.selected[1].applied.summary == "a/*:2" && outcome.selected[1].ruleNumber == 2)
        let shadowed = try await Selector(store: store).select(
            rules("{repositories: '**'}\n{repositories: a/x, tags: '1'}"))
        #expect(
            shadowed.notes == [
                "rule 2 (a/x:1) chooses nothing: earlier rules own all repositories that it matches"
            ])
        #expect(shadowed.failures.isEmpty)
    }

    @Test func `a name that is not there is a failure where its repository is named, and none under a pattern`()
        async throws
    {
        let store = MemoryStore(name: "r")
        try await push(store, "a", 1, "1", "stable")
        try await push(store, "b", 2, "1")
        var outcome = try await select(store, rules("{repositories: '*', tags: stable}"))
        #expect(names(outcome) == ["a:stable"])
        #expect(outcome.failures.isEmpty)
        outcome = try await select(store, rules("{repositories: [a, b], tags: stable}"))
        #expect(outcome.failures.map(\.name) == ["r/b:stable"])
        outcome = try await select(store, rules("{repositories: [a, b], tags: ['1*', stable]}"))
        #expect(outcome.failures.map(\.name) == ["r/b:stable"])
        outcome = try await select(store, rules("{repositories: '*', tags: nope}"))
        #expect(outcome.failures.map(\.name) == ["*:nope"])
        outcome = try await select(store, rules("{repositories: 'x/*'}"))
        #expect(outcome.failures.map { "\($0.error)" } == ["r has no image that matches x/*:*"])
    }

    @Test func `a list chooses what it names, of its own store`() async throws {
        let store = MemoryStore(name: "registry.example.com")
        try await push(store, "team/app", 1, "1", "2")
        let image = try await push(store, "team/app", 3, "3")
        try await push(store, "team/web", 2, "1", "2")
        let listed = try list(
            "team/app:1\nregistry.example.com/team/web:2\nother.example.com/team/web:1\ndebian.example.org/x\nteam/app@\(image.descriptor.digest)\nteam/gone:1\n"
        )
        let outcome = try await Selector(store: store).select(
            Selection(rules: [listed, SelectionRule(repositories: [Glob("team/**")])]))
        #expect(
            names(outcome) == ["team/app:1", "team/app@\(image.descriptor.digest)", "team/web:2"])
        #expect(outcome.selected.allSatisfy { $0.ruleNumber == 1 })
        #expect(outcome.failures.map(\.name).contains("registry.example.com/team/gone:1"))
        #expect(
            outcome.notes.first
                == "list images.txt names 2 images of other registries than registry.example.com, which are passed "
                + "over, such as other.example.com/team/web")
    }

    @Test func `manifests mean Docker Hub where they name no host`() async throws {
        let text = "image: debian:12\n---\nimage: x/y\n---\nimage: ghcr.io/a/b:1\n---\nimage: '{{ no }}'"
        let hub = MemoryStore(name: "docker.io")
        try await push(hub, "library/debian", 1, "12")
        try await push(hub, "x/y", 2, "latest")
        let selection = Selection(rules: [try list(text, kind: .kubernetes)])
        let outcome = try await Selector(store: hub).select(selection)
        #expect(names(outcome) == ["library/debian:12", "x/y:latest"])
        #expect(outcome.notes.count == 2)
        let elsewhere = try await Selector(store: MemoryStore(name: "a.example.com")).select(selection)
        #expect(
            elsewhere.failures.map { "\($0.error)" } == ["kubernetes images.txt names no image of a.example.com"])
        // In a list, a name without a host is the store's own; at Docker Hub it is completed as docker does.
        let plain = try await Selector(store: hub).select(Selection(rules: [try list("debian:12\nx/y")]))
        #expect(names(plain) == ["library/debian:12", "x/y:latest"])
    }

    @Test func `what is named can be had where nothing is listed`() async throws {
        let store = MemoryStore(name: "r")
        let image = try await push(store, "app", 1, "1")
        try await sign(store, "app", image, 2)
        let closed = WatchedStore(store: store, listsRepositories: false, listsTags: false)
        let outcome = try await Selector(store: closed).select(
            rules("{repositories: app, tags: '1'}\n{repositories: 'x/**'}"))
        #expect(names(outcome) == ["app:1", "app:sha256-\(image.descriptor.digest.hex).sig"])
        #expect(
            outcome.failures.map { "\($0.error)" } == [
                "x/**:* needs the list of repositories: r does not list its repositories"
            ])
        await #expect(throws: OCIError.self) { try await Selector(store: closed).select(.all) }
    }

    // MARK: Requests

    @Test func `choosing costs the listings and one request a tag`() async throws {
        let store = MemoryStore(name: "r")
        for number in 0..<20 { try await push(store, "a", UInt64(number), "1.\(number)") }
        let image = try await push(store, "b", 100, "1.0")
        try await sign(store, "b", image, 101)
        for (rule, want) in [
            ("{repositories: '*'}", "catalog 1, tags 2, resolve 22"),
            ("{repositories: '*', tags: {newest: 3}}", "catalog 1, tags 2, resolve 5"),
            ("{repositories: a, tags: {semver: '>=1.18'}}", "tags 1, resolve 2"),
            ("{repositories: b, tags: '1.0'}", "tags 1, resolve 2"),
            ("{repositories: b, tags: '1.0', referrers: false}", "resolve 1"),
            ("{repositories: b, digests: ['\(image.descriptor.digest)'], referrers: false}", "resolve 1"),
        ] {
            let watched = WatchedStore(store: store)
            let outcome = try await Selector(store: watched).select(rules(rule))
            #expect(outcome.failures.isEmpty)
            #expect(watched.counts.summary == want, "\(rule)")
        }
    }

    @Test func `manifests that were read to choose are not read again to plan`() async throws {
        let store = MemoryStore(name: "r")
        for day in 1...9 { try await push(store, "a", tag: "t\(day)", created: "2026-01-0\(day)T00:00:00Z") }
        let watched = WatchedStore(store: store)
        let plan = try await Planner(
            target: MemoryStore(name: "t"), naming: Naming(), overwrite: .never,
            spool: ManifestSpool(fileSystem: LocalFileSystem(), folder: "unused")
        ).plan([
            Planner.Source(store: watched, selection: rules("{repositories: a, tags: {newest: 3, by: created}}"))
        ])
        #expect(plan.items.map(\.sourceName) == ["r/a:t7", "r/a:t8", "r/a:t9"])
        #expect(watched.counts.summary == "tags 1, resolve 9, manifest 9, blob 9")
    }

    @Test func `named images are asked for side by side, and planned in their order`() async throws {
        let store = MemoryStore(name: "r")
        let names = (1...8).map { "app\($0)" }
        for (seed, name) in names.enumerated() { try await push(store, name, UInt64(seed), "latest") }
        let crowd = Crowd()
        let watched = WatchedStore(store: store, wait: crowd.wait)
        let plan = try await Planner(
            target: MemoryStore(name: "t"), naming: Naming(), overwrite: .never,
            spool: ManifestSpool(fileSystem: LocalFileSystem(), folder: "unused")
        ).plan(
            try names.map { name in
                let rule = SelectionRule(try Reference(parsing: "r.example.com/" + name))
                return Planner.Source(store: watched, selection: Selection(rules: [rule]))
            })
        #expect(plan.items.map(\.sourceName) == names.map { "r/\($0):latest" })
        #expect(crowd.most >= 4)
    }

    @Test func `a repository that is listed and has no tags is no fault, unless it was named`() async throws {
        let bytes = SeededImages.manifest(
            config: Descriptor(of: ByteBuffer(string: "{}"), mediaType: .ociConfig), layers: [])
        let digest = Digest(of: bytes)
        try await ScriptedRegistry.serve { request in
            switch request.path {
            case "/v2/_catalog": ScriptedAnswer(200, text: #"{"repositories":["app","gone"]}"#)
            case "/v2/app/tags/list": ScriptedAnswer(200, text: #"{"tags":["1"]}"#)
            case "/v2/app/manifests/1":
                ScriptedAnswer(
                    200, ["Content-Type": MediaType.ociManifest.rawValue, "Docker-Content-Digest": "\(digest)"],
                    body: bytes)
            case "/v2/gone/tags/list":
                // What docker-registry says when the last tag of a repository has been deleted.
                ScriptedAnswer(404, text: #"{"errors":[{"code":"NAME_UNKNOWN","message":"not known"}]}"#)
            default: nil
            }
        } _: { server in
            let registry = try Registry(
                host: server.host, options: RegistryOptions(), surroundings: .ofThisMachine,
                logger: .init(label: "test"))
            let all = try await Selector(store: registry).select(rules("{repositories: '**'}"))
            #expect(names(all) == ["app:1"])
            #expect(all.failures.isEmpty)
            let named = try await Selector(store: registry).select(rules("{repositories: gone}"))
            #expect(named.failures.map { FailureKind(of: $0.error) } == [.notFound])
            try await registry.shutdown()
        }
    }

    @Test func `a registry on a port gives the same`() async throws {
        let store = MemoryStore(name: "r")
        for number in 0..<30 { try await push(store, "team/app", UInt64(number), "1.\(number)") }
        let newest = try await store.source(RepositoryName("team/app")).resolve(.tag(Tag("1.29")))
        try await push(store, "team/app", 99, "sha256-\(newest.digest.hex).sig")
        let selection = try rules("{repositories: 'team/**', tags: {newest: 2}}")
        try await TestRegistry.run(over: store) { host in
            let registry = try Registry(
                host: host, options: RegistryOptions(), surroundings: .ofThisMachine, logger: .init(label: "test"))
            let outcome = try await Selector(store: registry).select(selection)
            #expect(
                outcome.selected.map(\.image.name) == [
                    "team/app:1.28", "team/app:1.29", "team/app:sha256-\(newest.digest.hex).sig",
                ])
            let counts = registry.requestCounts()
            #expect(counts[.head] == 3 && counts[.list] == 2, "\(counts)")
            try await registry.shutdown()
        }
    }
}

/// The same store as one that knows its images by heart.
private struct CatalogedStore: ImageCatalog {
    let store: MemoryStore

    var name: String { store.name }
    func repositories() async throws -> [RepositoryName] { await store.repositories() }
    func source(_ repository: RepositoryName) async throws -> any ImageSource { await store.source(repository) }
    func images() async throws -> [NamedImage] {
        var images: [NamedImage] = []
        for repository in await store.repositories() {
            let source = await store.source(repository)
            for tag in try await source.tags() {
                images.append(
                    NamedImage(
                        registry: store.name, repository: repository, tag: tag,
                        descriptor: try await source.resolve(.tag(tag))))
            }
        }
        return images
    }
}

/// A store that counts what is asked of it, and may refuse to list.
private struct WatchedStore: SourceStore {
    final class Counts: Sendable {
        private let counts = Mutex<[String: Int]>([:])

        func add(_ kind: String) { counts.withLock { $0[kind, default: 0] += 1 } }

        var summary: String {
            counts.withLock { counts in
                ["catalog", "tags", "resolve", "manifest", "blob"].compactMap { kind in
                    counts[kind].map { "\(kind) \($0)" }
                }.joined(separator: ", ")
            }
        }
    }

    let store: MemoryStore
    var listsRepositories = true
    var listsTags = true
    /// What a question for a tag or digest waits for.
    var wait: @Sendable () async throws -> Void = {}
    let counts = Counts()

    var name: String { store.name }

    func repositories() async throws -> [RepositoryName] {
        counts.add("catalog")
        guard listsRepositories else { throw OCIError(.policy, "\(name) does not list its repositories") }
        return await store.repositories()
    }

    func source(_ repository: RepositoryName) async throws -> any ImageSource {
        Repository(inner: await store.source(repository), counts: counts, listsTags: listsTags, wait: wait)
    }

    struct Repository: ImageSource {
        let inner: any ImageSource
        let counts: Counts
        let listsTags: Bool
        let wait: @Sendable () async throws -> Void

        var name: String { inner.name }
        func resolve(_ reference: TagOrDigest) async throws -> Descriptor {
            counts.add("resolve")
            try await wait()
            return try await inner.resolve(reference)
        }
        func tags() async throws -> [OCI.Tag] {
            counts.add("tags")
            guard listsTags else { throw OCIError(.auth, "\(name) does not list its tags") }
            return try await inner.tags()
        }
        func manifest(_ descriptor: Descriptor) async throws -> Manifest {
            counts.add("manifest")
            return try await inner.manifest(descriptor)
        }
        func referrers(of digest: Digest) async throws -> [Descriptor] { try await inner.referrers(of: digest) }
        func read<R: Sendable>(
            _ blob: Descriptor, after prefix: Prefix?, _ body: @escaping @Sendable (Content) async throws -> R
        ) async throws -> R {
            counts.add("blob")
            return try await inner.read(blob, after: prefix, body)
        }
    }
}

/// Lets those who wait go on once four wait at the same time, or after two seconds.
private final class Crowd: Sendable {
    private let waiting = Mutex((now: 0, most: 0))

    var most: Int { waiting.withLock { $0.most } }

    @Sendable func wait() async throws {
        waiting.withLock { waiting in
            waiting.now += 1
            waiting.most = max(waiting.most, waiting.now)
        }
        defer { waiting.withLock { $0.now -= 1 } }
        for _ in 0..<400 where most < 4 { try await Task.sleep(for: .milliseconds(5)) }
    }
}
