import Foundation
import NIOCore
import OCI
import OCIArchive
import TestSupport
import Testing

@testable import Lifeboat

/// Everything an image is, between every two kinds of store: digests stay what they are.
@Suite struct FidelityTests {
    enum Kind: String, CaseIterable, Sendable {
        /// docker-registry: no referrers API, every child of an index checked.
        case docker
        /// The server of this project, writable: with the referrers API.
        case ours
        case archive, layout
    }

    // MARK: What others made

    private struct Fixture {
        let path: String
        /// The only platform that is there of an image for several.
        var platform: String?
        /// Whether docker-registry refuses it, or it refers to what another fixture has: an archive and a folder do not
        /// ask in which repository something refers to an image.
        var isApart = false
    }

    private static let google = "google_go-containerregistry/pkg/v1/"

    /// Every archive and folder beside the project whose images are whole.
    private static let fixtures = [
        Fixture(path: "regclient_regclient/testdata/testrepo"),
        Fixture(path: "regclient_regclient/testdata/external", isApart: true),
        Fixture(path: "oras-project_oras-go/content/oci/testdata/hello-world.tar", platform: "linux/amd64"),
        Fixture(
            path: "oras-project_oras-go/content/oci/testdata/hello-world-prefixed-path.tar", platform: "linux/amd64"),
        Fixture(path: google + "tarball/testdata/hello-world-v25.tar"),
        Fixture(path: google + "tarball/testdata/test_image_1.tar"),
        Fixture(path: google + "tarball/testdata/test_image_2.tar"),
        Fixture(path: google + "tarball/testdata/test_bundle.tar"),
        Fixture(path: google + "tarball/testdata/test_link.tar"),
        Fixture(path: google + "tarball/testdata/test_load_manifest.tar"),
        Fixture(path: google + "mutate/testdata/source_image.tar"),
        Fixture(path: google + "mutate/testdata/overwritten_file.tar"),
        Fixture(path: google + "mutate/testdata/whiteout_dir.tar"),
        Fixture(path: google + "mutate/testdata/whiteout_image.tar"),
        Fixture(path: google + "layout/testdata/test_index_media_type"),
        Fixture(path: google + "layout/testdata/test_index_one_image"),
        Fixture(path: google + "layout/testdata/test_index", isApart: true),
        Fixture(path: google + "layout/testdata/test_gc_index", isApart: true),
        Fixture(path: "containers_skopeo/systemtest/testdata/docker-two-images.tar.xz"),
        Fixture(path: "containers_image/docker/archive/fixtures/almostempty.tar"),
    ]

    /// Each goes under a prefix of its own, so that equal names do not meet.
    private func add(_ fixtures: [Fixture], to store: MemoryStore, in folder: String) async throws {
        var environment = RunEnvironment.test(in: folder)
        environment.defaultRepository = try RepositoryName("fixture")
        let runner = Runner(environment)
        try await TestRegistry.run(over: store) { host in
            for fixture in fixtures {
                let path = Fixtures.path(fixture.path)
                let name = path.split(separator: "/").last.map { $0.lowercased() } ?? ""
                let platforms = try fixture.platform.map { [try Platform(parsing: $0)] } ?? []
                let source = SourceDefinition(
                    store: path.contains(".tar") ? .archive(path: path) : .layout(path: path),
                    selection: Selection(rules: [SelectionRule(repositories: [Glob("**")], platforms: platforms)]))
                let target = StoreDefinition.registry(host: host, prefix: "of/" + name)
                let step = CopyStep(kind: .import, sources: [source], target: target, naming: Naming().under(target))
                let report = await runner.run([Step(name: "seed", work: .copy(step))], name: "seed")
                #expect(report.exitCode == 0, "\(path): \(report.steps.flatMap(\.failures).map(\.message))")
            }
        }
    }

    // MARK: What is found

    private struct Found {
        /// Repositories, by their names in the seed.
        var repositories: Set<String> = []
        /// Every tag with its digest, and every manifest and blob under it, referrers included, each byte read.
        var lines: Set<String> = []
    }

    /// - Parameter names: the repositories of the seed: a layout written from a part of a registry calls one by its whole
    ///   name there.
    private func contents(_ store: any SourceStore, names: Set<String>? = nil) async throws -> Found {
        var found = Found()
        for repository in try await store.repositories() {
            let whole = "\(repository)"
            guard let name = names.map({ names in names.first { whole == $0 || whole.hasSuffix("/" + $0) } }) ?? whole
            else {
                found.lines.insert("\(whole) is of nobody")
                continue
            }
            found.repositories.insert(name)
            let source = try await store.source(repository)
            for tag in try await source.tags() where !tag.listsReferrers {
                let root = try await source.resolve(.tag(tag))
                found.lines.insert("\(name) \(root.mediaType.rawValue) \(root.digest) :\(tag)")
                let graph = try await ImageGraph.read(root, from: source)
                for manifest in graph.manifests {
                    found.lines.insert("\(name) manifest \(manifest.mediaType.rawValue) \(manifest.digest)")
                }
                for (subject, referrers) in graph.referrers {
                    for referrer in referrers {
                        let annotations = referrer.annotations.sorted { $0.key < $1.key }
                        let type = referrer.artifactType ?? ""
                        found.lines.insert("\(name) \(type) \(annotations) \(referrer.digest) of \(subject)")
                    }
                }
                for blob in graph.blobs where found.lines.insert("\(name) blob \(blob.digest)").inserted {
                    try await source.read(blob) { try await $0.verify() }
                }
            }
        }
        return found
    }

    // MARK: Every way

    private func definition(_ kind: Kind, _ number: Int, folder: String, docker: String, ours: String)
        -> StoreDefinition
    {
        switch kind {
        case .docker: .registry(host: docker, prefix: "n\(number)")
        case .ours: .registry(host: ours, prefix: "n\(number)")
        case .archive: .archive(path: "\(folder)/\(number).tar")
        case .layout: .layout(path: "\(folder)/\(number)")
        }
    }

    private func copy(
        from source: StoreDefinition, to target: StoreDefinition, _ environment: RunEnvironment
    ) async throws {
        let isRegistry = if case .registry = target { true } else { false }
        let step = CopyStep(
            kind: isRegistry ? .import : .export, sources: [SourceDefinition(store: source, selection: .all)],
            target: target, naming: Naming().under(target))
        let report = await Runner(environment).run([Step(name: "copy", work: .copy(step))], name: "copy")
        #expect(
            report.exitCode == 0,
            "\(source.description) to \(target.description): \(report.steps.flatMap(\.failures).map(\.message))")
    }

    /// Every kind after every other one, each pair once in each direction.
    private func circuit(_ kinds: [Kind]) -> [Kind] {
        let way = kinds.count == 4 ? [0, 1, 0, 2, 0, 3, 1, 2, 1, 3, 2, 3, 0] : [0, 1, 0, 2, 1, 2, 0]
        return way.map { kinds[$0] }
    }

    /// Copies all of a store from kind to kind, so that what is lost on one way stays lost.
    private func travel(
        _ seed: MemoryStore, along way: [Kind], docker: String, in folder: String
    ) async throws -> Found {
        let expected = try await contents(seed)
        let environment = RunEnvironment.test(in: folder)
        try await TestRegistry.run(over: MemoryStore(name: "ours")) { ours in
            try await TestRegistry.run(over: seed, writable: false) { origin in
                var last = StoreDefinition.registry(host: origin, prefix: "")
                for (number, kind) in way.enumerated() {
                    let next = definition(kind, number, folder: folder, docker: docker, ours: ours)
                    try await copy(from: last, to: next, environment)
                    let found = try await withStores(environment) { stores in
                        try await contents(try await stores.source(next), names: expected.repositories).lines
                    }
                    let missing = expected.lines.subtracting(found).sorted()
                    let extra = found.subtracting(expected.lines).sorted()
                    #expect(missing.isEmpty, "\(last.description) to \(kind) (\(number)): \(missing.prefix(5))")
                    #expect(extra.isEmpty, "\(last.description) to \(kind) (\(number)): \(extra.prefix(5))")
                    guard missing.isEmpty else { return }
                    last = next
                }
            }
        }
        return expected
    }

    @Test(.enabled(if: DockerRegistry.isInstalled, "docker-registry is not installed"))
    func `everything an image is survives every way between two stores`() async throws {
        let seed = MemoryStore(name: "seed")
        for (name, blobs) in [("team/app", Digest.Algorithm.sha256), ("team/layers-by-sha512", .sha512)] {
            let target = try await seed.target(RepositoryName(name))
            try await EveryKindOfImage(target: target, manifests: .sha256, blobs: blobs).push()
        }
        try await withTemporaryFolder { folder in
            try await DockerRegistry.run { docker in
                let found = try await travel(
                    seed, along: circuit(Kind.allCases), docker: docker.host, in: folder)
                #expect(found.lines.count > 80, "\(found.lines.count)")
            }
        }
    }

    /// From each kind and into each; on every way with `LIFEBOAT_SCALE=full`.
    @Test(
        .enabled(if: DockerRegistry.isInstalled, "docker-registry is not installed"),
        .enabled(if: Fixtures.arePresent, "the public fixtures are not here"))
    func `what others made survives the ways between stores`() async throws {
        let seed = MemoryStore(name: "seed")
        try await withTemporaryFolder { folder in
            try await add(Self.fixtures.filter { !$0.isApart }, to: seed, in: folder)
            try await DockerRegistry.run { docker in
                let way: [Kind] = Scale.isFull ? circuit(Kind.allCases) : [.docker, .layout, .ours, .archive, .docker]
                let found = try await travel(seed, along: way, docker: docker.host, in: folder)
                #expect(found.lines.count > 150, "\(found.lines.count)")
            }
        }
    }

    /// docker-registry 2.8 knows manifests by sha256 only, and no list that does not say of which type it is.
    @Test func `what docker-registry refuses survives every way between the others`() async throws {
        let seed = MemoryStore(name: "seed")
        let target = try await seed.target(RepositoryName("team/all-by-sha512"))
        try await EveryKindOfImage(target: target, manifests: .sha512, blobs: .sha512).push()
        try await withTemporaryFolder { folder in
            if Fixtures.arePresent { try await add(Self.fixtures.filter(\.isApart), to: seed, in: folder) }
            let found = try await travel(seed, along: circuit([.ours, .archive, .layout]), docker: "", in: folder)
            #expect(found.lines.count > 40, "\(found.lines.count)")
        }
    }
}
