import NIOCore
import NIOHTTP1
import OCI
import Synchronization
import TestSupport
import Testing

@testable import Lifeboat

/// What a night costs at registries whose listings say what tags point to.
///
/// `LIFEBOAT_SCALE=full` makes it 400 repositories of 75 tags.
@Suite struct ListingScaleTests {
    /// Many repositories of small images, made up when they are asked for.
    private struct World: Sendable {
        let repositories: Int
        let tags: Int
        /// Whether every 200th tag is a newer image.
        let isChanged: Bool

        var names: [String] { (0..<repositories).map { "team/app-\($0)" } }

        func manifest(_ repository: String, _ tag: Int) -> ByteBuffer {
            let number = (Int(repository.split(separator: "-").last ?? "") ?? 0) * tags + tag
            let version = isChanged && number.isMultiple(of: 200) ? 2 : 1
            let config = Descriptor(of: ByteBuffer(string: "{}"), mediaType: .ociConfig)
            return SeededImages.manifest(
                config: config, layers: [], annotations: ["image": "\(repository):\(tag)", "version": "\(version)"])
        }

        func script(_ listing: String) -> ScriptedRegistry.Script {
            { request in
                if request.path == "/v2/" { return ScriptedAnswer(200, text: "{}") }
                if request.path == "/v2/_catalog" {
                    let list = names.map { "\"\($0)\"" }.joined(separator: ",")
                    return ScriptedAnswer(200, text: "{\"repositories\":[\(list)]}")
                }
                let parts = request.path.split(separator: "/").map(String.init)
                if parts.last == "_tags", listing == "acr" { return list(parts[2] + "/" + parts[3], "acr") }
                if request.path.hasSuffix("/tags/list") { return list(parts[1] + "/" + parts[2], listing) }
                guard parts.count == 5, parts[3] == "manifests" else { return nil }
                let repository = parts[1] + "/" + parts[2]
                let found: ByteBuffer? =
                    if let tag = Int(parts[4]), tag < tags { manifest(repository, tag) } else {
                        (0..<tags).lazy.map { manifest(repository, $0) }
                            .first { "\(Digest(of: $0, algorithm: .sha256))" == parts[4] }
                    }
                guard let found else { return nil }
                return ScriptedAnswer(
                    200,
                    [
                        "Content-Type": MediaType.ociManifest.rawValue,
                        "Docker-Content-Digest": "\(Digest(of: found, algorithm: .sha256))",
                    ], body: found)
            }
        }

        private func list(_ repository: String, _ listing: String) -> ScriptedAnswer {
            let digests = (0..<tags).map { Digest(of: manifest(repository, $0), algorithm: .sha256) }
            let names = (0..<tags).map { "\"\($0)\"" }.joined(separator: ",")
            let text =
                switch listing {
                case "acr":
                    "{\"tags\":["
                        + digests.enumerated().map { "{\"name\":\"\($0)\",\"digest\":\"\($1)\"}" }
                        .joined(separator: ",") + "]}"
                case "google":
                    "{\"tags\":[\(names)],\"manifest\":{"
                        + digests.enumerated().map {
                            "\"\($1)\":{\"mediaType\":\"\(MediaType.ociManifest.rawValue)\",\"tag\":[\"\($0)\"]}"
                        }.joined(separator: ",") + "}}"
                default: "{\"tags\":[\(names)]}"
                }
            return ScriptedAnswer(200, text: text)
        }
    }

    private func plan(
        _ world: World, source: String, target: String, isTargetEmpty: Bool = false
    ) async throws -> (plan: StepPlan, source: [ScriptedRequest], target: [ScriptedRequest]) {
        let present = World(repositories: world.repositories, tags: isTargetEmpty ? 0 : world.tags, isChanged: false)
        return try await withTemporaryFolder { folder in
            try await ScriptedRegistry.serve(world.script(source)) { from in
                try await ScriptedRegistry.serve(present.script(target)) { to in
                    let text = """
                        version: 1
                        stores:
                          old: {registry: '\(from.host)', listing: \(source)}
                          new: {registry: '\(to.host)', listing: \(target)}
                        images: [{repositories: '**', referrers: false}]
                        steps: [{import: {from: old, to: new, overwrite: always}}]
                        """
                    let pipeline = try Pipeline(parsing: Array(text.utf8), file: "p.yaml", variables: [:])
                    var environment = RunEnvironment.test(in: folder)
                    environment.settings = pipeline.settings
                    let plan = try await PipelinePlanner(environment).plan(pipeline.steps, name: "p")
                    return (try #require(plan.steps.first), from.requests, to.requests)
                }
            }
        }
    }

    @Test func `tags that have not changed cost nothing but their page, on both sides`() async throws {
        let world = World(repositories: Scale.isFull ? 400 : 40, tags: 75, isChanged: true)
        let (plan, source, target) = try await plan(world, source: "acr", target: "google")
        let changed = world.repositories * world.tags / 200
        #expect(plan.error == nil, "\(plan.error?.message ?? "")")
        #expect(plan.images.count == world.repositories * world.tags)
        #expect(plan.images.count { $0.action != .alreadyThere } == changed)
        // Pages, and two questions for each image that is new: what it is, and its manifest.
        let requests = source.count + target.count
        #expect(requests < world.repositories * 5, "\(requests) requests")
        #expect(requests <= 2 * world.repositories + 4 * changed + 10, "\(requests) requests")
    }

    @Test func `without such listings each tag is asked for once, on both sides`() async throws {
        let world = World(repositories: 8, tags: 75, isChanged: true)
        let (plan, source, target) = try await plan(world, source: "standard", target: "standard")
        #expect(plan.error == nil, "\(plan.error?.message ?? "")")
        #expect(source.count { $0.method == .HEAD } == world.repositories * world.tags)
        #expect(target.count { $0.method == .HEAD } == world.repositories * world.tags)
    }

    @Test(arguments: [1, 5])
    func `a missing repository is asked for one tag, and for its list before the second`(tags: Int) async throws {
        let world = World(repositories: 8, tags: tags, isChanged: false)
        let (plan, _, target) = try await plan(world, source: "standard", target: "standard", isTargetEmpty: true)
        #expect(plan.error == nil, "\(plan.error?.message ?? "")")
        #expect(plan.images.count == world.repositories * tags)
        #expect(target.count { $0.method == .HEAD } == world.repositories)
        #expect(target.count { $0.path.hasSuffix("/tags/list") } == (tags == 1 ? 0 : world.repositories))
    }
}
