import OCI
import TestSupport

/// A store with images that share layers, one for two platforms, one with a referrer.
func seededStore(images: Int = 5) async throws -> MemoryStore {
    let store = MemoryStore(name: "seeded")
    for number in 0..<images {
        let target = try await store.target(RepositoryName("team/app\(number)"))
        // The same seed in two repositories: the same blobs.
        let image = try await SeededImages.push(
            to: target, seed: UInt64(number / 2), layerSizes: [40_000, 200_000, 3],
            tags: [Tag("1.\(number)"), Tag("latest")])
        if number == 0 {
            try await SeededImages.push(to: target, seed: 99, layerSizes: [500], subject: image.descriptor)
        }
    }
    let multi = try await store.target(RepositoryName("multi"))
    var children: [Descriptor] = []
    for (seed, architecture) in [(UInt64(50), "amd64"), (51, "arm64")] {
        var child = try await SeededImages.push(to: multi, seed: seed).descriptor
        child.platform = Platform(os: "linux", architecture: architecture)
        children.append(child)
    }
    let index = try Manifest(SeededImages.index(children), mediaType: .ociIndex, from: "seed")
    try await multi.push(index, tags: [Tag("1")])
    return store
}
