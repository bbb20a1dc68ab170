import NIOCore
import OCI

/// What every store must do that can be written and read: one suite, run over each of them.
///
/// A check that is not met throws `Unmet`, which names it.
public struct StoreSuite: Sendable {
    public struct Unmet: Error, CustomStringConvertible {
        public let description: String
    }

    private let store: any SourceStore & TargetStore
    private let name: String
    private let repository: RepositoryName
    private let elsewhere: RepositoryName

    /// - Parameter store: a store with nothing in it.
    public init(over store: any SourceStore & TargetStore) throws {
        self.store = store
        name = (store as any SourceStore).name
        repository = try RepositoryName("suite/app")
        elsewhere = try RepositoryName("suite/other")
    }

    public func run() async throws {
        try await anEmptyStoreHasNothing()
        try await blobsComeBackAsTheyWere()
        try await readingGoesOnBehindAPrefix()
        try await wrongContentIsNeverVisible()
        try await imagesAreFoundByTagAndDigest()
        try await aTagMoves()
        try await referrersAreListed()
        try await sha512IsAsGoodAsSha256()
        try await repositoriesAreKeptApart()
    }

    private func anEmptyStoreHasNothing() async throws {
        let holds1 = try await store.repositories().isEmpty
        try require(holds1, "an empty store lists no repositories")
        let source = try await store.source(repository)
        let holds2 = try await source.tags().isEmpty
        try require(holds2, "an unknown repository has no tags")
        let digest = Digest(of: ByteBuffer(string: "nowhere"))
        try await refuses(.notFound, "an unknown digest is not found") { _ = try await source.resolve(.digest(digest)) }
        try await refuses(.notFound, "an unknown tag is not found") { _ = try await source.resolve(.tag(.latest)) }
        let target = try await store.target(repository)
        let holds3 = try await target.find(.tag(.latest)) == nil
        try require(holds3, "find says nil for an unknown tag")
        let holds4 = try await target.find(.digest(digest)) == nil
        try require(holds4, "find says nil for an unknown digest")
        let blob = Descriptor(mediaType: .octetStream, digest: digest, size: 7)
        let holds5 = try await !target.contains(blob)
        try require(holds5, "an unknown blob is not contained")
        try await fails("an unknown blob cannot be read") { try await source.read(blob) { try await $0.verify() } }
    }

    private func blobsComeBackAsTheyWere() async throws {
        for size in [0, 1, 511, 128 << 10, (256 << 10) + 1, 1_500_000] {
            let bytes = SeededBytes.buffer(size, seed: UInt64(size))
            let blob = Descriptor(of: bytes, mediaType: .ociLayer)
            try await write(bytes, as: blob)
            let back = try await read(blob)
            try require(back == bytes, "\(size) bytes come back as they were")
            let holds6 = try await store.target(repository).contains(blob)
            try require(holds6, "a blob of \(size) bytes is contained")
        }
        let bytes = SeededBytes.buffer(511, seed: 511)
        try await write(bytes, as: Descriptor(of: bytes, mediaType: .ociLayer))
        let longer = Descriptor(mediaType: .ociLayer, digest: Digest(of: bytes), size: 512)
        try await fails("a blob of another size than the descriptor's is not passed on") { _ = try await read(longer) }
    }

    private func readingGoesOnBehindAPrefix() async throws {
        let bytes = SeededBytes.buffer(1_500_000, seed: 1_500_000)
        let blob = Descriptor(of: bytes, mediaType: .ociLayer)
        for count in [1, 128 << 10, 1_499_999] {
            guard let start = bytes.getSlice(at: 0, length: count) else { throw Unmet(description: "a slice") }
            var prefix = Prefix(.sha256)
            prefix.append(start)
            let rest = try await store.source(repository).read(blob, after: prefix) { try await $0.collectRest() }
            try require(rest == bytes.getSlice(at: count, length: 1_500_000 - count), "reading after \(count) bytes")
        }
    }

    private func wrongContentIsNeverVisible() async throws {
        let right = SeededBytes.buffer(300_000, seed: 1)
        let blob = Descriptor(of: right, mediaType: .ociLayer)
        var altered = right
        altered.setInteger(right.getInteger(at: 299_999, as: UInt8.self)! ^ 1, at: 299_999)
        let wrong: [(String, ByteBuffer)] = [
            ("altered", altered), ("short", right.getSlice(at: 0, length: 299_999)!), ("empty", ByteBuffer()),
            ("long", SeededBytes.joined(right, ByteBuffer(string: "x"))),
        ]
        for (name, bytes) in wrong {
            try await refuses(.damaged, "\(name) content is refused") { try await write(bytes, as: blob) }
            let holds7 = try await !store.target(repository).contains(blob)
            try require(holds7, "\(name) content is not visible")
        }
        try await write(right, as: blob)
        let holds8 = try await store.target(repository).contains(blob)
        try require(holds8, "right content is visible after wrong content")
    }

    private func imagesAreFoundByTagAndDigest() async throws {
        let image = try await pushImage("one", tags: ["1.0", "latest"])
        let source = try await store.source(repository)
        let holds9 = try await source.tags().map(\.description) == ["1.0", "latest"]
        try require(holds9, "tags are sorted, each once")
        for reference in [TagOrDigest.tag(try Tag("1.0")), .tag(.latest), .digest(image.descriptor.digest)] {
            let holds10 = try await source.resolve(reference).digest == image.descriptor.digest
            try require(holds10, "\(reference) resolves")
            let found = try await store.target(repository).find(reference)
            try require(found?.digest == image.descriptor.digest, "\(reference) is found")
            try require(found?.size == image.descriptor.size, "\(reference) has its size")
            try require(found?.mediaType == image.descriptor.mediaType, "\(reference) has its media type")
        }
        let back = try await source.manifest(image.descriptor)
        try require(back == image, "a manifest comes back byte for byte")
        let holds11 = try await store.repositories() == [repository]
        try require(holds11, "a repository with an image is listed")
        let config = image.children[0]
        try await refuses(.notFound, "a blob is no manifest") { _ = try await source.resolve(.digest(config.digest)) }
    }

    private func aTagMoves() async throws {
        let old = try await store.source(repository).resolve(.tag(.latest))
        let new = try await pushImage("two", tags: ["latest"])
        let source = try await store.source(repository)
        let holds12 = try await source.resolve(.tag(.latest)).digest == new.descriptor.digest
        try require(holds12, "a tag moves")
        let holds13 = try await source.resolve(.tag(Tag("1.0"))) == old
        try require(holds13, "another tag stays")
        let holds14 = try await source.resolve(.digest(old.digest)).digest == old.digest
        try require(holds14, "what it left stays readable")
    }

    private func referrersAreListed() async throws {
        let source = try await store.source(repository)
        let subject = try await source.resolve(.tag(.latest))
        let holds15 = try await source.referrers(of: subject.digest).isEmpty
        try require(holds15, "an image has no referrers at first")
        let config = ByteBuffer(string: "{}")
        try await write(config, as: Descriptor(of: config, mediaType: .ociEmpty))
        let signature = try Manifest(
            SeededImages.manifest(
                config: Descriptor(of: config, mediaType: .ociEmpty), layers: [], subject: subject,
                artifactType: "application/vnd.example.signature", annotations: ["by": "us"]),
            mediaType: .ociManifest, from: "suite")
        try await store.target(repository).push(signature, tags: [])
        let referrers = try await source.referrers(of: subject.digest)
        try require(referrers.map(\.digest) == [signature.descriptor.digest], "a referrer is listed")
        try require(referrers.first?.artifactType == "application/vnd.example.signature", "with its artifact type")
        try require(referrers.first?.annotations == ["by": "us"], "with its annotations")
        let holds16 = try await !source.tags().contains { $0.listsReferrers }
        try require(holds16, "without a tag")
    }

    private func sha512IsAsGoodAsSha256() async throws {
        let bytes = SeededBytes.buffer(70_000, seed: 512)
        let blob = Descriptor(of: bytes, mediaType: .ociLayer, algorithm: .sha512)
        try await write(bytes, as: blob)
        let holds17 = try await read(blob) == bytes
        try require(holds17, "a sha512 blob comes back")
        let manifest = try Manifest(
            SeededImages.manifest(config: blob, layers: [blob]), mediaType: .ociManifest, algorithm: .sha512,
            from: "suite")
        try await store.target(repository).push(manifest, tags: [try Tag("sha512")])
        let found = try await store.source(repository).resolve(.tag(Tag("sha512")))
        try require(found.digest == manifest.descriptor.digest, "a tag points to a sha512 manifest")
        let holds18 = try await store.source(repository).manifest(found) == manifest
        try require(holds18, "a sha512 manifest comes back")
    }

    private func repositoriesAreKeptApart() async throws {
        let there = try await store.source(elsewhere)
        let holds19 = try await there.tags().isEmpty
        try require(holds19, "another repository has none of these tags")
        let image = try await pushImage("elsewhere", tags: ["latest"], to: elsewhere)
        let holds20 = try await store.repositories() == [repository, elsewhere]
        try require(holds20, "both are listed, sorted")
        let here = try await store.source(repository).resolve(.tag(.latest))
        try require(here.digest != image.descriptor.digest, "one name in two repositories is two images")
    }
}

extension StoreSuite {
    private func write(_ bytes: ByteBuffer, as blob: Descriptor, to repository: RepositoryName? = nil) async throws {
        let content = Content(blob, from: "suite") { send in
            var rest = bytes
            while let chunk = rest.readSlice(length: min(50_000, rest.readableBytes)), chunk.readableBytes > 0 {
                try await send(chunk)
            }
        }
        try await store.target(repository ?? self.repository).write(content)
    }

    private func read(_ blob: Descriptor) async throws -> ByteBuffer {
        try await store.source(repository).read(blob) { try await $0.collect(upTo: 1 << 30) }
    }

    private func pushImage(_ name: String, tags: [String], to repository: RepositoryName? = nil) async throws
        -> Manifest
    {
        let layer = ByteBuffer(string: "layer of \(name)")
        let config = ByteBuffer(string: #"{"name":"\#(name)"}"#)
        let layerBlob = Descriptor(of: layer, mediaType: .ociLayer)
        let configBlob = Descriptor(of: config, mediaType: .ociConfig)
        try await write(layer, as: layerBlob, to: repository)
        try await write(config, as: configBlob, to: repository)
        let manifest = try Manifest(
            SeededImages.manifest(config: configBlob, layers: [layerBlob]), mediaType: .ociManifest, from: "suite")
        try await store.target(repository ?? self.repository).push(manifest, tags: try tags.map { try Tag($0) })
        return manifest
    }

    private func require(_ condition: Bool, _ what: String) throws {
        guard condition else { throw Unmet(description: "\(name): \(what)") }
    }

    private func fails(_ what: String, _ body: () async throws -> Void) async throws {
        do { try await body() } catch { return }
        throw Unmet(description: "\(name): \(what)")
    }

    private func refuses(_ kind: FailureKind, _ what: String, _ body: () async throws -> Void) async throws {
        let error = await failure(of: body)
        try require(error?.kind == kind, "\(what): got \(error?.description ?? "nothing")")
    }

    private func failure(of body: () async throws -> Void) async -> (any Failure)? {
        do { try await body() } catch { return error as? any Failure }
        return nil
    }
}

extension Content {
    /// What comes behind the prefix.
    fileprivate func collectRest() async throws -> ByteBuffer {
        var collected = ByteBuffer()
        try await forEachChunk { collected.writeImmutableBuffer($0) }
        return collected
    }
}
