import NIOCore
import OCI

/// The manifests of an archive that comes in order: in memory while they are small, else in a file without a name.
struct SequentialManifests: Sendable {
    /// The most bytes of manifests that are kept in memory.
    static let memoryLimit: Int64 = 8 << 20

    private let map: ArchiveMap
    private let archive: String
    private let bytes: Bytes

    private enum Bytes: Sendable {
        /// All of them, one after the other.
        case memory([Digest: ByteBuffer])
        /// As far from the first byte as they stand from the end of the front.
        case file(any File)
    }

    /// Reads them, each with the right digest.
    ///
    /// - Parameters:
    ///   - stream: just behind the front.
    ///   - spool: opens a file for what memory is not used for.
    static func read(
        _ map: ArchiveMap, _ stream: TarStream, spool: @Sendable () async throws -> any File
    ) async throws -> SequentialManifests {
        let size = map.blobs.prefix(map.manifestCount).reduce(0) { $0 + $1.size }
        guard size > memoryLimit else {
            var known: [Digest: ByteBuffer] = [:]
            try await forEach(map, stream) { known[$0.descriptor.digest] = $0.bytes }
            return SequentialManifests(map: map, archive: stream.archive, bytes: .memory(known))
        }
        let file = try await spool()
        do {
            try await forEach(map, stream) { manifest in
                guard let offset = map.manifestOffset(manifest.descriptor.digest) else { return }
                try await file.write(manifest.bytes, at: offset)
            }
        } catch {
            await afterFailure { try await file.close() }
            throw error
        }
        return SequentialManifests(map: map, archive: stream.archive, bytes: .file(file))
    }

    private static func forEach(
        _ map: ArchiveMap, _ stream: TarStream, _ receive: (Manifest) async throws -> Void
    ) async throws {
        for number in 0..<map.manifestCount {
            let entry = try await SequentialArchive.expectEntry(number, map, stream)
            let bytes = try await stream.content(of: entry, upTo: Manifest.sizeLimit)
            try await receive(Manifest(bytes, as: map.blobs[number].descriptor, from: stream.archive))
        }
    }

    /// What a digest names; nil if it is no manifest of the archive.
    func descriptor(_ digest: Digest) -> Descriptor? {
        guard let number = map.slotNumbers[digest], number < map.manifestCount else { return nil }
        return map.blobs[number].descriptor
    }

    func manifest(_ descriptor: Descriptor) async throws -> Manifest? {
        guard let known = self.descriptor(descriptor.digest) else { return nil }
        switch bytes {
        case .memory(let all):
            guard let bytes = all[descriptor.digest] else { return nil }
            return try Manifest(bytes, as: descriptor, from: archive)
        case .file(let file):
            guard let offset = map.manifestOffset(descriptor.digest) else { return nil }
            return try Manifest(
                try await file.read(at: offset, count: Int(known.size)), as: descriptor, from: archive)
        }
    }

    func close() async throws {
        if case .file(let file) = bytes { try await file.close() }
    }
}

extension ArchiveMap {
    /// Where a manifest stands behind the front.
    fileprivate func manifestOffset(_ digest: Digest) -> Int64? {
        slotNumbers[digest].map { slots[$0].contentOffset - frontSize }
    }
}
