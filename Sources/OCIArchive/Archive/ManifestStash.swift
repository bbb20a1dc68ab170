import NIOCore
import OCI

/// Manifests that were brought together from several places: in memory while they are small, else in a file without a name.
actor ManifestStash {
    private var memory: [Digest: Manifest] = [:]
    private var size: Int64 = 0
    private var places: [Digest: (descriptor: Descriptor, offset: Int64)] = [:]
    private var file: (any File)?
    private var end: Int64 = 0
    private let open: @Sendable () async throws -> any File

    /// - Parameter open: makes the file, once it is needed.
    init(_ open: @escaping @Sendable () async throws -> any File) {
        self.open = open
    }

    func put(_ manifest: Manifest) async throws {
        let descriptor = manifest.descriptor
        guard memory[descriptor.digest] == nil, places[descriptor.digest] == nil else { return }
        if size + descriptor.size <= SequentialManifests.memoryLimit {
            size += descriptor.size
            memory[descriptor.digest] = manifest
            return
        }
        let offset = end
        end += descriptor.size
        places[descriptor.digest] = (descriptor, offset)
        if file == nil { file = try await open() }
        try await file?.write(manifest.bytes, at: offset)
    }

    func manifest(_ digest: Digest) async throws -> Manifest? {
        if let known = memory[digest] { return known }
        guard let (descriptor, offset) = places[digest], let file else { return nil }
        return try Manifest(
            try await file.read(at: offset, count: Int(descriptor.size)), as: descriptor, from: file.path)
    }

    func close() async throws { try await file?.close() }
}
