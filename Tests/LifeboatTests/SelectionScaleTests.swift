import OCI
import Testing

@testable import Lifeboat

@Suite struct SelectionScaleTests {
    @Test func `of 10,000 tags each is asked for once`() async throws {
        let outcome = try await Selector(store: LargeStore()).select(.all)
        #expect(outcome.selected.count == 10_000)
        #expect(outcome.failures.isEmpty)
        #expect(Set(outcome.selected.map(\.image.name)).count == 10_000)
    }
}

/// One repository of 10,000 tags, whose images are nothing but names.
private struct LargeStore: SourceStore {
    let name = "r"

    func repositories() async throws -> [RepositoryName] { [try RepositoryName("team/app")] }
    func source(_ repository: RepositoryName) async throws -> any ImageSource { Repository() }

    struct Repository: ImageSource {
        let name = "r/team/app"

        func resolve(_ reference: TagOrDigest) async throws -> Descriptor {
            Descriptor(mediaType: .ociManifest, digest: Digest(of: Array("\(reference)".utf8)), size: 500)
        }
        func tags() async throws -> [OCI.Tag] { try (0..<10_000).map { try OCI.Tag("2026.11.20-build.\($0)") } }
        func manifest(_ descriptor: Descriptor) async throws -> Manifest { throw OCIError(.notFound, "none") }
        func referrers(of digest: Digest) async throws -> [Descriptor] { [] }
        func read<R: Sendable>(
            _ blob: Descriptor, after prefix: Prefix?, _ body: @escaping @Sendable (Content) async throws -> R
        ) async throws -> R { throw OCIError(.notFound, "none") }
    }
}
