import NIOCore
import NIOHTTP1
import OCI
import TestSupport
import Testing

@testable import Lifeboat

/// What a probe says of registries that are well, and of those that are not.
struct ProbeTests {
    private func probe(_ places: String...) async throws -> [ProbeResult] {
        try await withTemporaryFolder { folder in
            await Probe(.test(in: folder)).run(try places.map { try ProbedPlace(parsing: $0) })
        }
    }

    private func withImage(_ body: @escaping @Sendable (String, Manifest) async throws -> Void) async throws {
        let store = MemoryStore()
        let image = try await SeededImages.push(
            to: store.target(try RepositoryName("team/app")), seed: 1, layerSizes: [1000, 200_000],
            tags: [Tag("1.0"), Tag("2.0")])
        try await TestRegistry.run(over: store, writable: false) { try await body($0, image) }
    }

    @Test func `a registry that is well answers at every stage`() async throws {
        try await withImage { host, image in
            let results = try await probe(host, "\(host)/team/app", "\(host)/team/app:1.0")
            #expect(results.map { $0.error == nil } == [true, true, true])
            #expect(results.exitCode == 0)
            #expect(results[0].latencies.map(\.stage) == [.answer])
            #expect(results[1].latencies.map(\.stage) == [.answer, .tags, .resolve, .manifest, .config, .blob])
            #expect(results[2].latencies.map(\.stage) == [.answer, .resolve, .manifest, .config, .blob])
            #expect(results[2].digest == image.descriptor.digest)
            #expect(results[2].sendsParts == true)
            #expect(results[2].line.hasPrefix("\(host)/team/app:1.0 is well: answer "))
        }
    }

    @Test func `what is wrong has its class, its stage and its exit code`() async throws {
        try await withImage { host, _ in
            let missing = try await probe("\(host)/team/app:9", "\(host)/nobody:1")
            #expect(missing.map(\.error?.kind) == [.notFound, .notFound])
            #expect(missing.map(\.failedAt) == [.resolve, .resolve])
            #expect(missing.exitCode == 66)
            let silent = try await probe("127.0.0.1:1/team/app:1", host)
            #expect(silent[0].error?.kind == .unavailable)
            #expect(silent[0].failedAt == .answer)
            #expect(silent[1].error == nil)
            #expect(silent.exitCode == 69)
        }
    }

    @Test func `a registry that asks for a login is alive`() async throws {
        try await ScriptedRegistry.serve({ _ in
            ScriptedAnswer(401, ["WWW-Authenticate": "Basic realm=\"x\""])
        }) { registry in
            let host = registry.host
            let results = try await probe(host)
            #expect(results.exitCode == 0)
            let image = try await probe("\(host)/team/app:1")
            #expect(image[0].error?.kind == .auth)
            #expect(image.exitCode == 77)
        }
    }

    @Test func `a damaged config is damage`() async throws {
        let store = MemoryStore()
        let name = try RepositoryName("app")
        let target = await store.target(name)
        let config = ByteBuffer(string: "{}")
        let wrong = Descriptor(mediaType: .ociConfig, digest: Digest(of: ByteBuffer(string: "[]")), size: 2)
        let manifest = try Manifest(
            SeededImages.manifest(config: wrong, layers: []), mediaType: .ociManifest, from: "test")
        try await target.push(manifest, tags: [.latest])
        try await ScriptedRegistry.serve({ request in
            if request.path.contains("/blobs/") { return ScriptedAnswer(200, body: config) }
            return ScriptedAnswer(
                200,
                [
                    "Content-Type": MediaType.ociManifest.rawValue,
                    "Docker-Content-Digest": manifest.descriptor.digest.description,
                ], body: manifest.bytes)
        }) { registry in
            let host = registry.host
            let results = try await probe("\(host)/app:latest")
            #expect(results[0].error?.kind == .damaged)
            #expect(results[0].failedAt == .config)
            #expect(results.exitCode == 65)
        }
    }

    @Test func `metrics have one line a place, and one a stage`() throws {
        var well = ProbeResult(place: try ProbedPlace(parsing: "a.example.com/app:1"), began: 1_700_000_000_500)
        well.latencies = [.init(stage: .answer, seconds: 0.0125), .init(stage: .blob, seconds: 1.5)]
        var ill = ProbeResult(place: try ProbedPlace(parsing: "b.example.com"), began: 1_700_000_001_000)
        ill.error = FailureReport(LifeboatError(.unavailable, "gone"))
        #expect(
            [well, ill].metrics == """
                # HELP lifeboat_probe_success Whether a registry answered all that was asked of it.
                # TYPE lifeboat_probe_success gauge
                lifeboat_probe_success{place="a.example.com/app:1"} 1
                lifeboat_probe_success{place="b.example.com"} 0
                # HELP lifeboat_probe_duration_seconds How long a registry took to answer.
                # TYPE lifeboat_probe_duration_seconds gauge
                lifeboat_probe_duration_seconds{place="a.example.com/app:1",stage="answer"} 0.0125
                lifeboat_probe_duration_seconds{place="a.example.com/app:1",stage="blob"} 1.5
                # HELP lifeboat_probe_timestamp_seconds When a registry was asked.
                # TYPE lifeboat_probe_timestamp_seconds gauge
                lifeboat_probe_timestamp_seconds{place="a.example.com/app:1"} 1700000000.5
                lifeboat_probe_timestamp_seconds{place="b.example.com"} 1700000001

                """)
    }
}
