import NIOCore
import OCI
import OCIArchive
import Synchronization
import TestSupport

/// Images in memory, and the copy of all of them into an archive as the engine does it.
struct ArchiveImages: Sendable {
    let store: MemoryStore
    var planned: [PlannedImage] = []
    private let manifests = MemoryManifests()
    static let registry = "registry.example.com"

    init(_ store: MemoryStore = MemoryStore()) {
        self.store = store
    }

    /// One small image.
    static func one(layerSizes: [Int] = [700, 1300]) async throws -> ArchiveImages {
        var images = ArchiveImages()
        try await images.add("app:1", seed: 1, layerSizes: layerSizes)
        return images
    }

    /// Several images that share layers: one with a signature, one for two platforms, one with a sha512 digest.
    static func several(layerSize: Int = 50_000) async throws -> ArchiveImages {
        var images = ArchiveImages()
        try await images.add("team/app:1", seed: 1, layerSizes: [layerSize, 20_000])
        try await images.add("team/app:2", seed: 1, layerSizes: [layerSize, 20_000, 600])
        try await images.add("other/tool:stable", seed: 3, layerSizes: [0, 511, 512, 513])
        try await images.addSigned("team/signed:1", seed: 4)
        try await images.addIndex("team/multi:latest", seeds: [5, 6])
        try await images.addSHA512("team/long:1", seed: 7)
        return images
    }

    mutating func add(_ name: String, seed: UInt64, layerSizes: [Int]) async throws {
        let reference = try Reference(parsing: Self.registry + "/" + name)
        let target = await store.target(reference.repository)
        let manifest = try await SeededImages.push(
            to: target, seed: seed, layerSizes: layerSizes, tags: reference.tag.map { [$0] } ?? [])
        try await plan(reference, manifest.descriptor)
    }

    /// An image whose manifest has about `manifestSize` bytes.
    mutating func addLarge(_ name: String, seed: UInt64, manifestSize: Int) async throws {
        let reference = try Reference(parsing: Self.registry + "/" + name)
        let target = await store.target(reference.repository)
        let small = try await SeededImages.push(to: target, seed: seed, layerSizes: [100])
        guard case .image(let config?, let layers) = small.kind else { return }
        let large = try Manifest(
            SeededImages.manifest(
                config: config, layers: layers, annotations: ["filler": String(repeating: "x", count: manifestSize)]),
            mediaType: .ociManifest, from: name)
        try await target.push(large, tags: [])
        try await plan(reference, large.descriptor)
    }

    mutating func addSigned(_ name: String, seed: UInt64) async throws {
        let reference = try Reference(parsing: Self.registry + "/" + name)
        let target = await store.target(reference.repository)
        let manifest = try await SeededImages.push(to: target, seed: seed, layerSizes: [900])
        for number in 1...3 as ClosedRange<UInt64> {
            try await SeededImages.push(
                to: target, seed: seed * 100 + number, layerSizes: [Int(10 * number)], subject: manifest.descriptor)
        }
        try await plan(reference, manifest.descriptor)
    }

    mutating func addIndex(_ name: String, seeds: [UInt64]) async throws {
        let reference = try Reference(parsing: Self.registry + "/" + name)
        let target = await store.target(reference.repository)
        var children: [Descriptor] = []
        for (seed, architecture) in zip(seeds, ["amd64", "arm64"]) {
            var child = try await SeededImages.push(to: target, seed: seed, layerSizes: [1000]).descriptor
            child.platform = Platform(os: "linux", architecture: architecture)
            children.append(child)
        }
        let index = try Manifest(SeededImages.index(children), mediaType: .ociIndex, from: name)
        try await target.push(index, tags: [])
        try await plan(reference, index.descriptor)
    }

    mutating func addSHA512(_ name: String, seed: UInt64) async throws {
        let reference = try Reference(parsing: Self.registry + "/" + name)
        let target = await store.target(reference.repository)
        let bytes = [SeededBytes.buffer(100, seed: seed), SeededBytes.buffer(2000, seed: seed + 1)]
        let blobs = [
            Descriptor(of: bytes[0], mediaType: .ociConfig, algorithm: .sha512),
            Descriptor(of: bytes[1], mediaType: .ociLayer, algorithm: .sha512),
        ]
        for (bytes, blob) in zip(bytes, blobs) { try await target.write(Content(bytes, as: blob, from: name)) }
        let manifest = try Manifest(
            SeededImages.manifest(config: blobs[0], layers: [blobs[1]]), mediaType: .ociManifest, algorithm: .sha512,
            from: name)
        try await target.push(manifest, tags: [])
        try await plan(reference, manifest.descriptor)
    }

    private mutating func plan(_ reference: Reference, _ root: Descriptor) async throws {
        let source = await store.source(reference.repository)
        let graph = try await ImageGraph.read(root, from: source)
        for descriptor in graph.manifests { manifests.put(try await source.manifest(descriptor)) }
        planned.append(
            PlannedImage(
                NamedImage(
                    registry: reference.registry, repository: reference.repository, tag: reference.tag,
                    descriptor: root),
                graph: graph))
    }

    var images: [NamedImage] { planned.map(\.image).sorted { $0.precedes($1) } }

    func manifest(_ digest: Digest) throws -> Manifest { try manifests.get(digest) }

    func begin(_ target: any PlannedTarget, images: [PlannedImage]? = nil) async throws -> [Descriptor] {
        let manifests = manifests
        return try await target.begin(images ?? planned) { try manifests.get($0) }
    }

    /// Copies one blob, from whichever repository has it, in chunks of `chunkSize`.
    func copy(_ blob: Descriptor, to target: any PlannedTarget, chunkSize: Int = 64 << 10) async throws {
        let repository = try await holder(of: blob)
        let archive = try await target.target(repository)
        guard try await !archive.contains(blob) else { return }
        try await store.source(repository).read(blob) { content in
            let bytes = try await content.collect(upTo: .max)
            try await archive.write(
                Content(blob, from: "memory") { send in
                    var rest = bytes
                    while let chunk = rest.readSlice(length: min(chunkSize, rest.readableBytes)),
                        chunk.readableBytes > 0
                    { try await send(chunk) }
                })
        }
    }

    private func holder(of blob: Descriptor) async throws -> RepositoryName {
        for repository in await store.repositories() {
            if try await store.target(repository).contains(blob) { return repository }
        }
        throw OCIError(.notFound, "nobody has \(blob.digest)")
    }

    /// The whole export; `seed` shuffles images and blobs.
    func export(to target: any PlannedTarget, concurrency: Int = 1, seed: UInt64? = nil, chunkSize: Int = 64 << 10)
        async throws
    {
        var random = SeededRandom(state: seed ?? 1)
        var blobs = try await begin(target, images: seed == nil ? planned : planned.shuffled(using: &random))
        if seed != nil { blobs.shuffle(using: &random) }
        try await forEach(blobs, limit: concurrency) { try await copy($0, to: target, chunkSize: chunkSize) }
        for image in planned {
            try await target.target(image.image.repository).push(
                try manifest(image.image.descriptor.digest), tags: image.image.tag.map { [$0] } ?? [])
        }
        _ = try await target.commit()
    }
}

final class MemoryManifests: Sendable {
    private let known = Mutex<[Digest: Manifest]>([:])

    func put(_ manifest: Manifest) { known.withLock { $0[manifest.descriptor.digest] = manifest } }

    func get(_ digest: Digest) throws -> Manifest {
        guard let manifest = known.withLock({ $0[digest] }) else {
            throw OCIError(.notFound, "no manifest \(digest)")
        }
        return manifest
    }
}

struct SeededRandom: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return state ^ state >> 29
    }
}
