import Foundation
import NIOCore
import NIOHTTP1
import OCI
import OCIArchive
import OCIRegistry
import Synchronization
import TestSupport
import Testing

@testable import Lifeboat

/// Faults of registries that a run has to see through, each by its row in the catalogue of faults.
@Suite struct RegistryRowsTests {
    @Test func `every row of the catalogue that a registry can cause has a test of its name`() throws {
        let tests = Fixtures.package.appendingPathComponent("Tests")
        var found: Set<Int> = []
        for file in try #require(FileManager.default.subpaths(atPath: tests.path)) where file.hasSuffix(".swift") {
            let text = try String(contentsOf: tests.appendingPathComponent(file), encoding: .utf8)
            for part in text.components(separatedBy: "func `R").dropFirst() {
                guard let colon = part.firstIndex(of: ":"), let number = Int(part[..<colon]) else { continue }
                found.insert(number)
            }
        }
        #expect(Set(1...48).subtracting(found).isEmpty, "without a test: \(Set(1...48).subtracting(found).sorted())")
    }

    @Test func `R12: a tag that moves during a run is copied as it was, and the report says so`() async throws {
        let (old, new) = (MemoryStore(name: "old"), MemoryStore(name: "new"))
        let name = try RepositoryName("team/app")
        let first = try await SeededImages.push(to: await old.target(name), seed: 1, tags: [Tag("1")])
        let spool = ManifestSpool(fileSystem: LocalFileSystem(), folder: "unused")
        let plan = try await Planner(target: new, naming: Naming(), overwrite: .never, spool: spool)
            .plan([Planner.Source(store: old, selection: .all)])
        let second = try await SeededImages.push(to: await old.target(name), seed: 2, tags: [Tag("1")])
        let outcome = try await Transfer(targets: [new], spool: spool, surroundings: .ofThisMachine).run(plan)
        let copied = try await new.source(name).resolve(.tag(Tag("1")))
        #expect(copied == first.descriptor)
        #expect(
            outcome.reports.flatMap(\.notes) == [
                "the source tag moved to \(second.descriptor.digest) during the run"
            ])
    }

    @Test func `R29: a blob that a registry took and does not have is sent again`() async throws {
        let store = MemoryStore(name: "good")
        let target = try await store.target(RepositoryName("team/app"))
        let manifest = try await SeededImages.push(to: target, seed: 5, layerSizes: [1000, 2000], tags: [Tag("1")])
        let layer = "\(manifest.children[1].digest)"
        // How often each blob was sent; one of them is lost the first time.
        let sent = Mutex<[String: Int]>([:])
        @Sendable func holds(_ name: String) -> Bool { sent.withLock { $0[name] ?? 0 } > (name == layer ? 1 : 0) }
        let script: ScriptedRegistry.Script = { request in
            switch request.method {
            case .HEAD where request.path.contains("/blobs/"):
                let blob = manifest.children.first { request.path.hasSuffix("\($0.digest)") }
                return ScriptedAnswer(
                    blob.map { holds("\($0.digest)") } == true ? 200 : 404,
                    ["Content-Length": "\(blob?.size ?? 0)"])
            case .POST: return ScriptedAnswer(202, ["Location": "/v2/team/app/blobs/uploads/1"])
            case .PUT where request.path.contains("/uploads/"):
                sent.withLock { $0["\(Digest(of: request.body, algorithm: .sha256))", default: 0] += 1 }
                return ScriptedAnswer(201)
            case .PUT:
                return holds(layer)
                    ? ScriptedAnswer(201, ["Docker-Content-Digest": manifest.descriptor.digest.description])
                    : ScriptedAnswer(400, text: #"{"errors":[{"code":"MANIFEST_BLOB_UNKNOWN"}]}"#)
            default: return nil
            }
        }
        try await withTemporaryFolder { folder in
            let environment = RunEnvironment.test(in: folder)
            try await TestRegistry.run(over: store, writable: false) { good in
                try await ScriptedRegistry.serve(script) { bad in
                    let step = CopyStep(
                        kind: .import,
                        sources: [SourceDefinition(store: .registry(host: good, prefix: ""), selection: .all)],
                        target: .registry(host: bad.host, prefix: ""))
                    let report = await Runner(environment).run([Step(name: "i", work: .copy(step))], name: "i")
                    #expect(report.exitCode == 0, "\(report.steps.flatMap(\.failures).map(\.message))")
                    #expect(sent.withLock { $0 }.values.sorted() == [1, 1, 2])
                }
            }
        }
    }

    @Test func `R36: a tag that is named is copied though the listing lacks it`() async throws {
        let config = Descriptor(of: ByteBuffer(string: "{}"), mediaType: .ociConfig)
        let manifest = try Manifest(
            SeededImages.manifest(config: config, layers: []), mediaType: .ociManifest, from: "test")
        try await withTemporaryFolder { folder in
            try await ScriptedRegistry.serve { request in
                if request.path.hasSuffix("/tags/list") { return ScriptedAnswer(200, text: #"{"tags":["1.0"]}"#) }
                guard
                    request.path.hasSuffix("/manifests/1.0") || request.path.hasSuffix("/manifests/hidden")
                        || request.path.hasSuffix("/manifests/\(manifest.descriptor.digest)")
                else { return nil }
                return ScriptedAnswer(
                    200,
                    [
                        "Content-Type": MediaType.ociManifest.rawValue,
                        "Docker-Content-Digest": "\(manifest.descriptor.digest)",
                    ], body: manifest.bytes)
            } _: { server in
                let text = """
                    version: 1
                    stores: {old: {registry: '\(server.host)'}, out: {archive: out.tar}}
                    images: [{repositories: [team/app], tags: ['1*', hidden]}]
                    steps: [{export: {from: old, to: out}}]
                    """
                let pipeline = try Pipeline(parsing: Array(text.utf8), file: folder + "/p.yaml", variables: [:])
                let plan = try await PipelinePlanner(.test(in: folder)).plan(pipeline.steps, name: "p")
                let step = try #require(plan.steps.first)
                #expect(step.error == nil, "\(step.error?.message ?? "")")
                #expect(step.images.count == 2)
            }
        }
    }

    @Test(arguments: [400, 401, 403, 404, 500])
    func `no secret gets into a report, whatever a registry repeats`(status: Int) async throws {
        let store = MemoryStore(name: "good")
        try await SeededImages.push(
            to: try await store.target(RepositoryName("team/app")), seed: 5, layerSizes: [1000], tags: [Tag("1")])
        let script: ScriptedRegistry.Script = { request in
            guard let header = request.header("Authorization") else {
                return ScriptedAnswer(401, ["WWW-Authenticate": "Basic realm=\"r\""])
            }
            return ScriptedAnswer(
                status, ["Location": "http://127.0.0.9/x?sig=canary-signature"],
                text: "{\"errors\":[{\"code\":\"ECHO\",\"message\":\"\(header) canary-password\"}]}")
        }
        try await withTemporaryFolder { folder in
            var environment = RunEnvironment.test(in: folder)
            environment.registries.retry = RetryPolicy(
                attempts: 2, firstDelay: .milliseconds(1), maximumDelay: .milliseconds(2))
            environment.registries.credentials = .fixed(
                .password(username: "canary-user", password: "canary-password"))
            let settled = environment
            try await TestRegistry.run(over: store, writable: false) { good in
                try await ScriptedRegistry.serve(script) { bad in
                    for (from, to) in [(good, bad.host), (bad.host, good)] {
                        let step = CopyStep(
                            kind: .import,
                            sources: [
                                SourceDefinition(
                                    store: .registry(host: from, prefix: ""),
                                    selection: Selection(rules: [SelectionRule(pattern: "team/app:1")]))
                            ], target: .registry(host: to, prefix: ""))
                        let said = Mutex<[String]>([])
                        let runner = Runner(settled) { event in said.withLock { $0.append("\(event)") } }
                        let report = await runner.run([Step(name: "i", work: .copy(step))], name: "i")
                        #expect(report.exitCode != 0)
                        for text in [report.json.indented, report.html] + said.withLock({ $0 }) {
                            #expect(!text.contains("canary"), "\(text)")
                        }
                    }
                }
            }
        }
    }
}
