import Foundation
import OCI
import TestSupport
import Testing

/// A registry that is left step by step, between two docker-registry processes.
///
/// `LIFEBOAT_SCALE=full` makes it 200 repositories of 10 tags.
@Suite(.enabled(if: DockerRegistry.isInstalled, "needs docker-registry")) struct StepsMigrationTests {
    private static let repositories = Scale.isFull ? 200 : 10
    private static let tags = 10

    private struct Run {
        let status: Int32
        let report: JSONValue

        func step(_ number: Int) -> JSONValue? { report["steps"]?.elements?[number] }
        func images(_ outcome: String) -> [JSONValue] {
            step(0)?["images"]?.elements?.filter { $0["outcome"]?.text == outcome } ?? []
        }
        /// `repository:tag` of the images with an outcome, sorted.
        func names(_ outcome: String) -> [String] {
            images(outcome).compactMap { image in
                image["source"]?.text.map { String($0.drop { $0 != "/" }.dropFirst()) }
            }.sorted()
        }

        var summary: String {
            let requests = (try? step(0)?["requests"]?.object("requests")) ?? [:]
            return "\(step(0)?["seconds"]?.text ?? "") s, "
                + requests.sorted { $0.key < $1.key }.map { "\($0) \($1.integerValue ?? 0)" }.joined(separator: ", ")
        }
    }

    private func run(_ file: String) async throws -> Run {
        let result = try await Lifeboat.run("run", file, "--json", "-q")
        let report = try JSONValue(parsing: Array(result.output.utf8), in: "report")
        return Run(status: result.status, report: report)
    }

    private func image(_ number: Int) -> String {
        "team-\(number % 7)/app-\(number / Self.tags):1.\(number % Self.tags)"
    }

    /// Puts images into a registry, with the layer that all of them share.
    private func push(_ images: [(number: Int, seed: UInt64)], to host: String) async throws {
        let store = MemoryStore(name: "seed")
        for (number, seed) in images {
            let name = image(number).split(separator: ":")
            let target = try await store.target(RepositoryName(name[0]))
            try await SeededImages.push(to: target, seed: seed, layerSizes: [1000, 3000], tags: [Tag(name[1])])
        }
        try await TestRegistry.run(over: store) { seed in
            let result = try await Lifeboat.run(
                "import", seed, "--to", host, "--overwrite", "always", "-q")
            #expect(result.status == 0, "\(result.output)\(result.errors)")
        }
    }

    @Test func `a registry is moved, followed, and what somebody else moved is left alone`() async throws {
        let count = Self.repositories * Self.tags
        try await withTemporaryFolder { folder in
            try await DockerRegistry.run { old in
                try await DockerRegistry.run { new in
                    let file = folder + "/migrate.yaml"
                    try """
                    version: 1
                    name: migrate
                    state: state
                    stores:
                      old: {registry: "\(old.host)"}
                      new: {registry: "\(new.host)"}
                    images:
                      - {repositories: ["**"]}
                    steps:
                      - {name: follow, import: {from: old, to: new, overwrite: ours, onError: continue}}
                      - {name: check, verify: {store: new, against: old}}

                    """.write(toFile: file, atomically: true, encoding: .utf8)
                    try await push((0..<count).map { ($0, UInt64($0)) }, to: old.host)

                    let first = try await run(file)
                    #expect(first.status == 0)
                    #expect(first.images("done").count == count)
                    #expect(first.step(1)?["comparison"]?["same"] == .number(Int64(count)))
                    let listed = first.step(1)?["comparison"]?["listedDigest"]
                    #expect(listed != nil && listed == first.step(1)?["comparison"]?["comparedDigest"])
                    #expect(FileManager.default.fileExists(atPath: folder + "/state/catalog.sqlite"))

                    let second = try await run(file)
                    #expect(second.status == 0)
                    #expect(second.images("alreadyThere").count == count)
                    #expect(second.step(0)?["bytesMoved"] == .number(0))
                    #expect(second.step(0)?["requests"]?["blob"] == nil)

                    // Ten tags move at the source; somebody moves one more at both sides, differently.
                    let changed = (0..<10).map { $0 * (count / 10) + 3 }
                    let theirs = 7
                    try await push(changed.map { ($0, UInt64($0) + 1_000_000) }, to: old.host)
                    try await push([(theirs, 2_000_000)], to: old.host)
                    try await push([(theirs, 3_000_000)], to: new.host)
                    let third = try await run(file)
                    #expect(third.names("done") == changed.map(image).sorted())
                    #expect(third.images("done").allSatisfy { $0["replaced"] != nil })
                    #expect(third.names("failed") == [image(theirs)])
                    let error = third.images("failed").first?["error"]
                    #expect(error?["class"]?.text == "conflict")
                    #expect(error?["message"]?.text?.contains("somebody else has moved it") ?? false)
                    #expect(third.images("alreadyThere").count == count - 11)
                    #expect(third.status != 0)
                    #expect(third.step(1)?["comparison"]?["differences"]?.elements?.count == 1)
                    if Self.repositories > 10 {
                        for (name, run) in [("first", first), ("second", second), ("third", third)] {
                            print("\(name): \(run.summary)")
                        }
                    }
                }
            }
        }
    }

    @Test func `one pass brings an archive to two registries, and steps read what was written before`() async throws {
        try await withTemporaryFolder { folder in
            try await DockerRegistry.run { old in
                try await DockerRegistry.run { a in
                    try await DockerRegistry.run { b in
                        let file = folder + "/several.yaml"
                        try """
                        version: 1
                        state: state
                        stores:
                          old: {registry: "\(old.host)"}
                          a: {registry: "\(a.host)/mirror"}
                          b: {registry: "\(b.host)"}
                          x: {archive: x.tar}
                          y: {archive: y.tar.gz}
                        steps:
                          - {name: backup, export: {from: old, to: [x, y]}}
                          - {name: spread, import: {from: y, to: [a, b], rename: [{from: 'team-([0-9]+)/(.*)', into: 'team/\\1/\\2'}]}}
                          - {name: direct, import: {from: old, to: [b, a], prefix: direct}}
                          - {name: check, verify: {store: a, against: old, rename: [{from: 'team-([0-9]+)/(.*)', into: 'team/\\1/\\2'}]}}

                        """.write(toFile: file, atomically: true, encoding: .utf8)
                        try await push((0..<20).map { ($0, UInt64($0)) }, to: old.host)
                        let run = try await run(file)
                        #expect(run.status == 0)
                        for number in 0..<3 {
                            let targets = run.step(number)?["targets"]?.elements ?? []
                            #expect(targets.map { $0["totals"]?["done"] } == [.number(20), .number(20)])
                        }
                        // Each blob once from the source, though it went to two targets.
                        let bytes = try #require(run.step(2)?["bytesMoved"]?.integerValue)
                        #expect((20 * 4000..<20 * 6500).contains(bytes), "\(bytes)")
                        #expect(run.step(3)?["comparison"]?["same"] == .number(20))
                    }
                }
            }
        }
    }
}

extension JSONValue {
    fileprivate var elements: [JSONValue]? { if case .array(let elements) = self { elements } else { nil } }
    fileprivate var text: String? {
        switch self {
        case .string(let text), .decimal(let text): text
        default: nil
        }
    }
}
