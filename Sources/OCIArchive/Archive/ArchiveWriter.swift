import NIOCore
import OCI

/// One way to put a planned archive into a file or pipe.
protocol ArchiveWriter: Sendable {
    /// Whether blobs must come one after the other, in the order of the plan.
    var isSequential: Bool { get }
    /// Writes what is known before any blob: the front and the manifests.
    func start(reading manifest: @Sendable (Digest) async throws -> Manifest) async throws
    /// Whether the right bytes are in a slot from an earlier run.
    func holds(_ number: Int) async throws -> Bool
    /// The beginning of a slot that was being filled when a write was cut off; nil if there is none.
    func begun(_ number: Int) async throws -> Prefix?
    /// Fills a slot, behind the content's prefix where that is what `begun` has given. If it throws, the slot is as if nothing had been written.
    func write(_ content: Content, to number: Int) async throws
    /// Seals and syncs; all slots are complete.
    func finish() async throws
    func close() async throws
}

extension ArchiveWriter {
    func begun(_ number: Int) async throws -> Prefix? { nil }
}

extension ArchiveMap {
    /// Writes a slot from its header to its padding, `base` bytes before where it stands in the tar.
    ///
    /// What stands there of the content's prefix stays.
    func write(_ content: Content, to number: Int, of file: any File, base: Int64 = 0) async throws {
        let slot = slots[number]
        let isBegun = content.prefix.count > 0
        let start = isBegun ? slot.contentOffset + content.prefix.count : slot.headerOffset
        var run = WriteRun(at: start - base)
        if !isBegun { try await run.append(header(number), to: file) }
        try await content.forEachChunk { chunk in try await run.append(chunk, to: file) }
        run.append(zeros: Tar.padding(slot.size))
        try await run.flush(to: file)
    }

    /// Writes the slots of the manifests, which stand one behind the other.
    func writeManifests(
        to file: any File, base: Int64 = 0, reading manifest: @Sendable (Digest) async throws -> Manifest
    ) async throws {
        var run = WriteRun(at: frontSize - base)
        for (number, blob) in blobs.enumerated() where blob.role == .manifest {
            try await run.append(header(number), to: file)
            try await run.append(checked(manifest(blob.digest), blob), to: file)
            run.append(zeros: Tar.padding(blob.size))
        }
        try await run.flush(to: file)
    }

    func checked(_ manifest: Manifest, _ blob: ArchivedBlob) throws -> ByteBuffer {
        guard manifest.descriptor.digest == blob.digest, manifest.descriptor.size == blob.size else {
            throw ArchiveError(.internal, "asked for manifest \(blob.digest), got \(manifest.descriptor.digest)")
        }
        return manifest.bytes
    }

    /// Manifests come first: this many slots.
    var manifestCount: Int { blobs.firstIndex { $0.role != .manifest } ?? blobs.count }
    /// Manifests and configs.
    var headCount: Int { blobs.firstIndex { $0.role == .layer } ?? blobs.count }
    /// Where the layers begin, or the seal.
    var headEnd: Int64 { headCount < slots.count ? slots[headCount].headerOffset : seal.headerOffset }
}
