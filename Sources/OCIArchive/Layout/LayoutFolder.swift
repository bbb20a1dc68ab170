import NIOCore
import OCI

/// The files of a layout folder: what is where, and that nothing leads out of it.
struct LayoutFolder: Sendable {
    /// Bytes read or written at a time.
    static let chunkSize = 128 << 10

    let path: String
    let files: any FileSystem
    let surroundings: Surroundings

    var indexPath: String { path + "/index.json" }
    var markerPath: String { path + "/oci-layout" }
    /// Everything that is not complete lives here, and the lock.
    var workPath: String { path + "/lifeboat-tmp" }

    static let lockName = "lock"
    var lockPath: String { workPath + "/" + LayoutFolder.lockName }

    func folder(of algorithm: Digest.Algorithm) -> String { "\(path)/blobs/\(algorithm.rawValue)" }
    func path(of digest: Digest) -> String { folder(of: digest.algorithm) + "/" + digest.hex }

    /// What is known of a blob's file; nil if there is none.
    ///
    /// - Throws: `ArchiveError` `.policy` for anything but a regular file: links are not followed.
    func status(of digest: Digest) async throws -> FileStatus? {
        try await status(path(of: digest))
    }

    /// Opens a file and sees to it that it is the one that was looked at.
    func open(_ path: String) async throws -> (file: any File, status: FileStatus)? {
        guard let seen = try await status(path) else { return nil }
        let file = try await files.open(path, .read)
        let status = try await file.status()
        guard status.kind == .file, status.inode == seen.inode, status.device == seen.device else {
            try await file.close()
            throw ArchiveError(.policy, "\(shown(path)) was replaced while it was opened")
        }
        return (file, status)
    }

    func status(_ path: String) async throws -> FileStatus? {
        guard let status = try await files.status(path, followLinks: false) else { return nil }
        switch status.kind {
        case .file: return status
        case .link: throw ArchiveError(.policy, "\(shown(path)) is a symbolic link, which is not followed")
        case .folder: throw ArchiveError(.policy, "\(shown(path)) is a folder, want a file")
        case .pipe, .device, .other: throw ArchiveError(.policy, "\(shown(path)) is not a regular file")
        }
    }

    /// A whole small file.
    ///
    /// - Throws: `ArchiveError` `.damaged` if it is larger than `limit`.
    func read(_ path: String, upTo limit: Int64) async throws -> (bytes: ByteBuffer, status: FileStatus)? {
        guard let (file, status) = try await open(path) else { return nil }
        return try await closing(file) {
            guard status.size <= limit else {
                throw ArchiveError(.damaged, "\(shown(path)) has \(status.size) bytes, the limit is \(limit)")
            }
            return (try await file.read(at: 0, count: Int(status.size)), status)
        }
    }

    /// Refuses folders that lead elsewhere.
    func checkFolders() async throws {
        for folder in [path + "/blobs", workPath] + Digest.Algorithm.allCases.map(folder(of:)) {
            guard let status = try await files.status(folder, followLinks: false) else { continue }
            guard status.kind == .folder else {
                throw ArchiveError(.policy, "\(shown(folder)) is not a folder but a link or a file")
            }
        }
    }
}

extension LayoutFolder {
    /// The bytes of a blob, verified as they pass.
    ///
    /// - Throws: `ArchiveError` `.damaged` if the file is missing or has another size than `blob`.
    func read<R: Sendable>(
        _ blob: Descriptor, after prefix: Prefix?, _ body: @escaping @Sendable (Content) async throws -> R
    ) async throws -> R {
        try await read(blob, in: try await openBlob(blob), after: prefix, body)
    }

    func read<R: Sendable>(
        _ blob: Descriptor, in opened: (file: any File, status: FileStatus), after prefix: Prefix?,
        _ body: @escaping @Sendable (Content) async throws -> R
    ) async throws -> R {
        let (file, status) = opened
        return try await closing(file) {
            guard status.size == blob.size else {
                throw ArchiveError(
                    .damaged, "blob \(blob.digest) in \(shown(path)) has \(status.size) bytes, want \(blob.size)")
            }
            return try await body(
                Content(blob, from: shown(path, limit: 1000), after: prefix) { send in
                    try await self.send(file, in: (prefix?.count ?? 0)..<max(blob.size, prefix?.count ?? 0), send)
                })
        }
    }

    /// Opens a blob that a manifest or the caller names.
    func openBlob(_ blob: Descriptor) async throws -> (file: any File, status: FileStatus) {
        guard let opened = try await open(path(of: blob.digest)) else {
            throw ArchiveError(.damaged, "blob \(blob.digest) is missing from \(shown(path))")
        }
        return opened
    }

    /// Sends bytes of an open file as they are.
    func send(
        _ file: any File, in range: Range<Int64>, by size: Int = LayoutFolder.chunkSize,
        _ send: (ByteBuffer) async throws -> Void
    ) async throws {
        var offset = range.lowerBound
        while offset < range.upperBound {
            let chunk = try await file.read(at: offset, count: Int(min(Int64(size), range.upperBound - offset)))
            guard chunk.readableBytes > 0 else { return }
            offset += Int64(chunk.readableBytes)
            try await send(chunk)
        }
    }
}
