import NIOCore
import OCI
import OCIArchive

/// The exact bytes of every manifest of a run, each read once from its source.
///
/// In memory up to `memoryLimit` bytes, behind that in a file without a name in the work folder.
public actor ManifestSpool {
    public static let memoryLimit = 1 << 20

    private struct Place {
        /// In memory below `memoryLimit`; what is above it is the place in the file.
        var offset: Int64
        var descriptor: Descriptor
    }

    private let fileSystem: any FileSystem
    private let folder: String
    /// One after the other: a buffer each would take twice the bytes.
    private var memory = ByteBuffer()
    private var places: [Digest: Place] = [:]
    private var file: (any File)?
    /// Where the next one goes that no longer fits into memory.
    private var end = Int64(ManifestSpool.memoryLimit)
    private let turns = Turns<Digest>()

    /// - Parameter folder: where the file goes if one is needed.
    public init(fileSystem: any FileSystem, folder: String) {
        self.fileSystem = fileSystem
        self.folder = folder
    }

    public func add(_ manifest: Manifest) async throws {
        let digest = manifest.descriptor.digest
        guard places[digest] == nil else { return }
        let size = manifest.bytes.readableBytes
        if memory.writerIndex + size <= ManifestSpool.memoryLimit {
            places[digest] = Place(offset: Int64(memory.writerIndex), descriptor: manifest.descriptor)
            memory.writeImmutableBuffer(manifest.bytes)
            return
        }
        let offset = end
        end += Int64(size)
        let file = try await openFile()
        try await file.write(manifest.bytes, at: offset - Int64(ManifestSpool.memoryLimit))
        places[digest] = Place(offset: offset, descriptor: manifest.descriptor)
    }

    public func find(_ digest: Digest) async throws -> Manifest? {
        guard let place = places[digest] else { return nil }
        let count = Int(place.descriptor.size)
        if place.offset < ManifestSpool.memoryLimit {
            // A copy: a slice would make the next manifest copy all of them.
            let bytes = memory.viewBytes(at: Int(place.offset), length: count).map { ByteBuffer(bytes: $0) }
            return try Manifest(bytes ?? ByteBuffer(), as: place.descriptor, from: "memory")
        }
        guard let file else { return nil }
        let bytes = try await file.read(at: place.offset - Int64(ManifestSpool.memoryLimit), count: count)
        return try Manifest(bytes, as: place.descriptor, from: file.path)
    }

    /// A manifest that the plan has read.
    public func manifest(_ digest: Digest) async throws -> Manifest {
        guard let manifest = try await find(digest) else {
            throw LifeboatError(.internal, "manifest \(digest) was planned but not kept")
        }
        return manifest
    }

    private func openFile() async throws -> any File {
        if let file { return file }
        let opened = try await fileSystem.open(folder + "/manifests", .temporary)
        if let file {
            try await opened.close()  // somebody else opened one while we waited
            return file
        }
        file = opened
        return opened
    }

    public func close() async throws {
        try await file?.close()
        file = nil
    }
}

extension ManifestSpool {
    /// A manifest that is kept, or read now: once, however many ask at the same time.
    ///
    /// - Parameter memory: a target that may know it already.
    func manifest(
        _ descriptor: Descriptor, from source: any ImageSource, or memory: (any RememberingTarget)? = nil
    ) async throws -> Manifest {
        if let known = try await find(descriptor.digest) { return known }
        return try await turns.take(descriptor.digest) {
            if let known = try await find(descriptor.digest) { return known }
            let manifest: Manifest
            if let remembered = try await memory?.remembered(descriptor) {
                manifest = remembered
            } else {
                manifest = try await source.manifest(descriptor)
            }
            try await add(manifest)
            return manifest
        }
    }
}

/// Reads manifests through a spool: each once from the source, however many images share it.
struct SpooledReader: ManifestReader {
    let source: any ImageSource
    let spool: ManifestSpool
    /// What has been asked about referrers before; nil to ask each time.
    var graphs: GraphShelf?
    /// A target that knows some of the manifests already.
    var memory: (any RememberingTarget)?
    /// What refers to the manifests of the image in hand, where that is known from before.
    var knownReferrers: [Digest: [Descriptor]]?
    /// Of an image of a delta: where the target may have what the source leaves to its base.
    var base: Base?

    struct Base: Sendable {
        let holders: BaseHolders
        let image: NamedImage
        let written: (any WrittenTags)?
    }

    func manifest(_ descriptor: Descriptor) async throws -> Manifest {
        do {
            return try await spool.manifest(descriptor, from: source, or: memory)
        } catch let error as any Failure where error.kind == .notFound {
            guard let base else { throw error }
            let repositories = try await base.holders.repositories(of: base.image, base.written)
            guard let manifest = try await base.holders.manifest(descriptor, in: repositories) else { throw error }
            try await spool.add(manifest)
            return manifest
        }
    }

    func referrers(of digest: Digest) async throws -> [Descriptor] {
        if let knownReferrers { return knownReferrers[digest] ?? [] }
        guard let graphs else { return try await source.referrers(of: digest) }
        return try await graphs.referrers(of: digest, in: source)
    }
}
