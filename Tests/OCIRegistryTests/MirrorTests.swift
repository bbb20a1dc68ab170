import NIOCore
import NIOHTTP1
import OCI
import OCIRegistry
import TestSupport
import Testing

struct MirrorTests {
    private let bytes = sample(300_000)
    private var blob: Descriptor { .layer(bytes) }

    /// - Parameter prefix: of the mirror.
    private func withMirror<R>(
        _ origin: @escaping ScriptedRegistry.Script, _ mirror: @escaping ScriptedRegistry.Script, prefix: String = "",
        _ body: (any ImageSource, ScriptedRegistry, ScriptedRegistry) async throws -> R
    ) async throws -> R {
        try await ScriptedRegistry.serve(origin) { originServer in
            try await ScriptedRegistry.serve(at: "127.0.0.2", mirror) { mirrorServer in
                try await withRegistry(originServer.host) { origin in
                    try await withRegistry(mirrorServer.host, .quick { $0.plainHTTP = true }) { mirror in
                        let store = MirroredRegistry(origin, mirrors: [.init(mirror, prefix: prefix)])
                        return try await body(
                            try await store.source(RepositoryName("team/app")), originServer, mirrorServer)
                    }
                }
            }
        }
    }

    private func read(_ source: any ImageSource) async throws -> ByteBuffer {
        try await source.read(blob) { try await $0.collect(upTo: .max) }
    }

    private func registry(_ manifest: Manifest) -> ScriptedRegistry.Script {
        { request in
            if request.path.hasSuffix("/tags/list") { return .json(#"{"tags":["latest"]}"#) }
            if request.path.contains("/blobs/") { return ScriptedAnswer(200, body: bytes) }
            return .manifest(manifest)
        }
    }

    @Test func `what has a digest comes from the mirror, what a tag means from the registry`() async throws {
        let manifest = try image([blob])
        let other = try image([])
        let mirror: ScriptedRegistry.Script = { request in
            // The mirror's tag is an old one.
            request.path.hasSuffix("/latest") ? .manifest(other) : registry(manifest)(request)
        }
        try await withMirror(registry(manifest), mirror, prefix: "cache/hub") { source, origin, mirror in
            let found = try await source.resolve(.tag(.latest))
            #expect(found == manifest.descriptor)
            let held = try await source.manifest(found).bytes
            #expect(held == manifest.bytes)
            let whole = try await read(source)
            #expect(whole == bytes)
            let tags = try await source.tags()
            #expect(tags == [.latest])
            #expect(origin.lines.count == 2)
            #expect(
                mirror.lines == [
                    "GET /v2/cache/hub/team/app/manifests/\(found.digest)",
                    "GET /v2/cache/hub/team/app/blobs/\(blob.digest)",
                ])
        }
    }

    @Test(arguments: [404, 401, 500])
    func `a mirror that has nothing to give is passed over`(status: Int) async throws {
        let manifest = try image([blob])
        try await withMirror(registry(manifest)) { _ in
            ScriptedAnswer(status)
        } _: { source, _, mirror in
            let held = try await source.manifest(manifest.descriptor).bytes
            #expect(held == manifest.bytes)
            for _ in 0..<5 {
                let again = try await read(source)
                #expect(again == bytes)
            }
            // One that lacks something may have the next thing; one that fails is not asked for ever.
            let asked = Set(mirror.requests.map(\.number)).count
            #expect(status == 404 ? asked == 5 : mirror.requests.count <= 12)
        }
    }

    @Test func `what a mirror begins the registry ends`() async throws {
        let manifest = try image([blob])
        let origin: ScriptedRegistry.Script = { request in
            guard let range = request.header("Range"), range.hasPrefix("bytes=") else {
                return registry(manifest)(request)
            }
            let start = Int(range.dropFirst(6).dropLast()) ?? 0
            var rest = bytes
            rest.moveReaderIndex(forwardBy: start)
            return ScriptedAnswer(206, ["Content-Range": "bytes \(start)-299999/300000"], body: rest)
        }
        try await withMirror(origin) { request in
            request.header("Range") == nil
                ? ScriptedAnswer(200, body: bytes, ending: .close(after: 100_000)) : ScriptedAnswer(403)
        } _: { source, origin, _ in
            let whole = try await read(source)
            #expect(whole == bytes)
            #expect(origin.requests.first?.header("Range")?.hasPrefix("bytes=") == true)
        }
    }

    @Test func `a mirror that sends wrong bytes damages one read, and is not asked again`() async throws {
        let manifest = try image([blob])
        let wrong = sample(300_000, seed: 9)
        try await withMirror(registry(manifest)) { _ in
            ScriptedAnswer(200, body: wrong)
        } _: { source, _, mirror in
            let error = try await failure { try await read(source) }
            #expect(error.kind == .damaged)
            let whole = try await read(source)
            #expect(whole == bytes)
            let held = try await source.manifest(manifest.descriptor).bytes
            #expect(held == manifest.bytes)
            #expect(mirror.requests.count == 1)
        }
    }
}
