import NIOCore
import NIOHTTP1
import OCI
import Synchronization
import TestSupport
import Testing

@testable import Lifeboat

/// Images of which a registry has lost a part, or sends a wrong one.
@Suite struct RepairTests {
    /// A registry in memory, of whose blobs some are gone or damaged without its knowing.
    private final class Decay: Sendable {
        let lost = Mutex<Set<String>>([])
        let damaged = Mutex<Set<String>>([])
        /// Blobs that have been sent again.
        let sent = Mutex<Set<String>>([])
    }

    /// The image, and a registry with all of it.
    private func seeded() async throws -> (MemoryStore, Manifest) {
        let store = MemoryStore(name: "good")
        let target = try await store.target(RepositoryName("team/app"))
        let manifest = try await SeededImages.push(
            to: target, seed: 5, layerSizes: [1000, 2000, 3000], tags: [Tag("1")])
        return (store, manifest)
    }

    /// What a registry answers that says it has all of an image.
    private func script(_ manifest: Manifest, _ blobs: [Digest: ByteBuffer], _ decay: Decay) -> ScriptedRegistry.Script
    {
        { request in
            let name = request.path.split(separator: "/").last.map(String.init) ?? ""
            if request.path.hasSuffix("/tags/list") { return ScriptedAnswer(200, text: #"{"tags":["1"]}"#) }
            if request.path.contains("/manifests/sha256-") || request.path.contains("/referrers/") { return nil }
            if request.path.contains("/manifests/") {
                guard request.method != .PUT else {
                    return ScriptedAnswer(201, ["Docker-Content-Digest": manifest.descriptor.digest.description])
                }
                return ScriptedAnswer(
                    200,
                    [
                        "Content-Type": manifest.descriptor.mediaType.rawValue,
                        "Docker-Content-Digest": manifest.descriptor.digest.description,
                    ], body: manifest.bytes)
            }
            if request.method == .POST { return ScriptedAnswer(202, ["Location": "/v2/team/app/blobs/uploads/1"]) }
            if request.method == .PUT {
                let digest = "\(Digest(of: request.body, algorithm: .sha256))"
                decay.sent.withLock { _ = $0.insert(digest) }
                return ScriptedAnswer(201)
            }
            guard let bytes = blobs.first(where: { "\($0.key)" == name })?.value else { return nil }
            if request.method == .HEAD { return ScriptedAnswer(200, ["Content-Length": "\(bytes.readableBytes)"]) }
            if !decay.sent.withLock({ $0.contains(name) }) {
                if decay.lost.withLock({ $0.contains(name) }) { return ScriptedAnswer(404) }
                if decay.damaged.withLock({ $0.contains(name) }) {
                    return ScriptedAnswer(200, body: ByteBuffer(repeating: 0, count: bytes.readableBytes))
                }
            }
            return ScriptedAnswer(200, body: bytes)
        }
    }

    private func withDecay(
        _ body:
            @escaping @Sendable (
                _ good: String, _ bad: ScriptedRegistry, _ manifest: Manifest, _ decay: Decay, RunEnvironment
            ) async throws -> Void
    ) async throws {
        let (store, manifest) = try await seeded()
        let source = await store.source(try RepositoryName("team/app"))
        var blobs: [Digest: ByteBuffer] = [:]
        for blob in manifest.children {
            blobs[blob.digest] = try await source.read(blob) { try await $0.collect(upTo: .max) }
        }
        let decay = Decay()
        let script = script(manifest, blobs, decay)
        try await withTemporaryFolder { folder in
            let environment = RunEnvironment.test(in: folder)
            try await TestRegistry.run(over: store, writable: false) { good in
                try await ScriptedRegistry.serve(script) { bad in
                    try await body(good, bad, manifest, decay, environment)
                }
            }
        }
    }

    @Test func `verify names every part of an image that is missing or damaged`() async throws {
        try await withDecay { _, bad, manifest, decay, environment in
            let layers = manifest.children.map { "\($0.digest)" }
            decay.lost.withLock { _ = $0.insert(layers[1]) }
            decay.damaged.withLock { _ = $0.insert(layers[3]) }
            let step = VerifyStep(
                sources: [
                    SourceDefinition(store: .registry(host: bad.host, prefix: ""), selection: try .image("team/app:1"))
                ], against: nil)
            let report = await Runner(environment).run([Step(name: "v", work: .verify(step))], name: "v")
            #expect(report.exitCode == 65)
            let image = try #require(report.steps[0].images.first)
            let parts = Dictionary(
                image.parts.map { ("\($0.digest)", $0.kind) }, uniquingKeysWith: { first, _ in first })
            #expect(parts == [layers[1]: .notFound, layers[3]: .damaged])
        }
    }

    @Test func `a repair sends what is missing or damaged, and nothing else`() async throws {
        try await withDecay { good, bad, manifest, decay, environment in
            let layers = manifest.children.map { "\($0.digest)" }
            decay.lost.withLock { _ = $0.insert(layers[1]) }
            decay.damaged.withLock { _ = $0.insert(layers[3]) }
            var step = CopyStep(
                kind: .import,
                sources: [
                    SourceDefinition(store: .registry(host: good, prefix: ""), selection: try .image("team/app:1"))
                ], target: .registry(host: bad.host, prefix: ""))
            // As it is, the tag has the right digest, and nothing is sent.
            let trusting = await Runner(environment).run([Step(name: "i", work: .copy(step))], name: "i")
            #expect(trusting.steps[0].images.map(\.outcome) == [.alreadyThere])
            #expect(decay.sent.withLock { $0.isEmpty })
            step.repairs = true
            let repaired = await Runner(environment).run([Step(name: "i", work: .copy(step))], name: "i")
            #expect(repaired.exitCode == 0, "\(repaired.steps.flatMap(\.failures).map(\.message))")
            #expect(repaired.steps[0].images.map(\.outcome) == [.done])
            #expect(decay.sent.withLock { $0 } == [layers[1], layers[3]])
            // And then there is nothing left to do.
            let again = await Runner(environment).run([Step(name: "i", work: .copy(step))], name: "i")
            #expect(again.steps[0].images.map(\.outcome) == [.alreadyThere])
            #expect(again.steps[0].images[0].notes == ["every byte of it was read at the target"])
        }
    }

    @Test func `R31: a blob that a registry says it holds and says it lacks is sent in any case`() async throws {
        // The registry answers 200 to every HEAD, and refuses the manifest until it has been sent the layer.
        let (store, manifest) = try await seeded()
        let layer = manifest.children[2].digest
        let sent = Mutex<Set<String>>([])
        let script: ScriptedRegistry.Script = { request in
            switch request.method {
            case .HEAD where request.path.contains("/blobs/"):
                let blob = manifest.children.first { request.path.hasSuffix("\($0.digest)") }
                return ScriptedAnswer(200, ["Content-Length": "\(blob?.size ?? 0)"])
            case .POST: return ScriptedAnswer(202, ["Location": "/v2/team/app/blobs/uploads/1"])
            case .PUT where request.path.contains("/uploads/"):
                sent.withLock { _ = $0.insert("\(Digest(of: request.body, algorithm: .sha256))") }
                return ScriptedAnswer(201)
            case .PUT:
                guard sent.withLock({ $0.contains("\(layer)") }) else {
                    return ScriptedAnswer(
                        400,
                        text: #"{"errors":[{"code":"MANIFEST_BLOB_UNKNOWN","detail":{"digest":"\#(layer)"}}]}"#)
                }
                return ScriptedAnswer(201, ["Docker-Content-Digest": manifest.descriptor.digest.description])
            default: return nil
            }
        }
        try await withTemporaryFolder { folder in
            let environment = RunEnvironment.test(in: folder)
            try await TestRegistry.run(over: store, writable: false) { good in
                try await ScriptedRegistry.serve(script) { bad in
                    let step = CopyStep(
                        kind: .import,
                        sources: [
                            SourceDefinition(
                                store: .registry(host: good, prefix: ""), selection: try .image("team/app:1"))
                        ], target: .registry(host: bad.host, prefix: ""))
                    let report = await Runner(environment).run([Step(name: "i", work: .copy(step))], name: "i")
                    #expect(report.exitCode == 0, "\(report.steps.flatMap(\.failures).map(\.message))")
                    #expect(sent.withLock { $0 } == ["\(layer)"])
                }
            }
        }
    }
}

extension Selection {
    /// One image, by repository and tag.
    fileprivate static func image(_ name: String) throws -> Selection {
        Selection(rules: [SelectionRule(pattern: name)])
    }
}
