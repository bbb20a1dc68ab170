import OCI
import OCIArchive
import Synchronization
import TestSupport
import Testing

@testable import Lifeboat

/// A tag that moves while it is exported (FAULTS.md, R12, C3): what arrives is one of the images, never parts of two.
@Suite(.serialized) struct MovingTagTests {
    private static var moves: Int { Torture.isFull ? 1000 : 40 }

    @Test func `a tag that moves a thousand times during exports is never mixed`() async throws {
        let store = MemoryStore(name: "source")
        let app = try await store.target(RepositoryName("app"))
        var images: [Manifest] = []
        for seed in 1...2 as ClosedRange<UInt64> {
            // Two platforms each, so that there is something to mix.
            var children: [Descriptor] = []
            for architecture in ["amd64", "arm64"] {
                var child = try await SeededImages.push(
                    to: app, seed: seed * 10 + UInt64(children.count), layerSizes: [9000, 800]
                ).descriptor
                child.platform = Platform(os: "linux", architecture: architecture)
                children.append(child)
            }
            images.append(try Manifest(SeededImages.index(children), mediaType: .ociIndex, from: "seed"))
        }
        let (first, second) = (images[0], images[1])
        try await app.push(first, tags: [Tag("1")])
        let tally = Tally("concurrency: a tag moved \(Self.moves) times")
        let made = Count()
        try await TestRegistry.run(over: store, writable: false) { host in
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask {
                    for number in 1...Self.moves {
                        try await app.push(number.isMultiple(of: 2) ? first : second, tags: [Tag("1")])
                        made.set(number)
                        try await Task.sleep(for: .milliseconds(3))
                    }
                }
                group.addTask {
                    while made.value < Self.moves {
                        let (verdict, story) = try await Self.trial(host, [first, second].map(\.descriptor.digest))
                        tally.add(verdict, story)
                    }
                }
                try await group.waitForAll()
            }
        }
        try tally.close()
    }

    private final class Count: Sendable {
        private let number = Mutex(0)
        var value: Int { number.withLock { $0 } }
        func set(_ value: Int) { number.withLock { $0 = value } }
    }

    private static func trial(_ host: String, _ digests: [Digest]) async throws -> (Verdict, String) {
        try await withTemporaryFolder { folder in
            let path = folder + "/a.tar"
            let step = TortureWorld.copy(.export, from: .registry(host: host, prefix: ""), to: .archive(path: path))
            let report = await Runner(TortureWorld.environment(folder)).run([step], name: "export")
            guard report.exitCode == 0 else {
                return (.wrongClass, report.steps.flatMap(\.failures).map(\.message).joined(separator: "; "))
            }
            let verification = try await ArchiveVerification(path: path).run()
            guard verification.isSound else { return (.silent, verification.findings.map(\.detail).joined()) }
            let images = try await openArchive(path).images()
            guard images.count == 1, digests.contains(images[0].descriptor.digest) else {
                return (.silent, "it holds \(images.map(\.name))")
            }
            return (.fine, "")
        }
    }
}
