import NIOCore
import OCI

extension LayoutFolder {
    /// From this size on the space is reserved before the first byte comes, so that a full disk is known at once.
    private static let reservedSize: Int64 = 1 << 20
    /// A work file that nobody has locked is litter of a dead process once it is this old.
    private static let litterAge: Int64 = 5_000_000_000

    /// Creates the folders that writing needs.
    func prepare() async throws {
        for folder in Digest.Algorithm.allCases.map(folder(of:)) + [workPath] { try await files.createFolder(folder) }
        try await checkFolders()
    }

    /// Stores a blob under its digest; a file that is there already is replaced by one that is right.
    func store(_ content: Content) async throws {
        guard content.prefix.count == 0 else {
            throw ArchiveError(.internal, "blob \(content.descriptor.digest) was not sent from its first byte")
        }
        let partial = try await LayoutPartial.create("blob", in: self)
        do {
            if content.descriptor.size >= LayoutFolder.reservedSize {
                try await partial.file.reserve(content.descriptor.size)
            }
            var gathering = WriteGathering()
            try await content.forEachChunk { try await gathering.add($0, to: partial.file) }
            try await gathering.flush(to: partial.file)
        } catch {
            await partial.discard()
            throw error
        }
        try await partial.commit(as: path(of: content.descriptor.digest))
    }

    /// Replaces a small file by rename.
    ///
    /// - Returns: the new file's stamp.
    func replace(_ path: String, with bytes: ByteBuffer) async throws -> String {
        let partial = try await LayoutPartial.create("file", in: self)
        let stamp: String
        do {
            try await partial.file.write(bytes, at: 0)
            stamp = try await partial.file.status().stamp
        } catch {
            await partial.discard()
            throw error
        }
        try await partial.commit(as: path)
        return stamp
    }

    /// Makes the names of all blobs durable: before a list says that they are there.
    func syncBlobs() async throws {
        for algorithm in Digest.Algorithm.allCases { try await files.syncFolder(folder(of: algorithm)) }
    }

    /// Removes what dead processes left unfinished.
    func sweep() async throws {
        for name in try await files.list(workPath) where name != "lock" {
            let path = workPath + "/" + name
            guard let status = try await files.status(path, followLinks: false), status.kind == .file,
                surroundings.now() * 1_000_000 - status.modified > LayoutFolder.litterAge
            else { continue }
            let file = try await files.open(path, .readWrite)
            try await closing(file) {
                if try await file.lock() { try await files.remove(path) }
            }
        }
    }
}
