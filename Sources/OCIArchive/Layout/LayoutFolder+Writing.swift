import NIOCore
import OCI

extension LayoutFolder {
    /// From this size on the space is reserved before the first byte comes, so that a full disk is known at once.
    static let reservedSize: Int64 = 1 << 20
    /// Tries to open a work file that a process which tidies up removes at the same moment.
    private static let workFileTries = 8

    /// Creates the folders that writing needs; other algorithms than sha256 get theirs with their first blob.
    func prepare() async throws {
        for folder in [folder(of: .sha256), workPath] { try await files.createFolder(folder) }
        try await checkFolders()
    }

    /// Opens a file of the work folder and locks it; nil if another process holds the lock.
    ///
    /// Whoever tidies up may remove the folder, or a file between its open and its lock: then another one is made.
    func openWorkFile(_ path: String, _ mode: OpenMode, shared: Bool = false) async throws -> (any File)? {
        for attempt in 1...Self.workFileTries {
            let file: any File
            do {
                file = try await files.open(path, mode)
            } catch let error as FileError where error.isNotFound && attempt < Self.workFileTries {
                try await files.createFolder(workPath)
                continue
            }
            do {
                let isOurs = try await file.lock(shared: shared)
                let named = try await files.status(path, followLinks: false)
                let opened = try await file.status()
                if isOurs, let named, named.inode == opened.inode, named.device == opened.device { return file }
                try await file.close()
                guard named == nil, attempt < Self.workFileTries else { return nil }
            } catch {
                await afterFailure { try await file.close() }
                throw error
            }
        }
        return nil
    }

    /// Stores a blob under its digest; a file that is there already is replaced by one that is right.
    func store(_ content: Content) async throws {
        guard content.prefix.count == 0 else {
            throw ArchiveError(.internal, "blob \(content.descriptor.digest) was not sent from its first byte")
        }
        if content.descriptor.digest.algorithm != .sha256 {
            try await files.createFolder(folder(of: content.descriptor.digest.algorithm))
        }
        let partial = try await LayoutPartial.create("blob", in: self)
        do {
            if content.descriptor.size >= LayoutFolder.reservedSize {
                try await partial.file.reserve(content.descriptor.size)
            }
            var run = WriteRun()
            try await content.forEachChunk { try await run.append($0, to: partial.file) }
            try await run.flush(to: partial.file)
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
        do {
            try await partial.file.write(bytes, at: 0)
        } catch {
            await partial.discard()
            throw error
        }
        try await partial.commit(as: path)
        // Its new name is a change too.
        return try await status(path)?.stamp ?? "absent"
    }

    /// Writes `oci-layout`, unless it is there.
    func mark() async throws {
        guard try await status(markerPath) == nil else { return }
        _ = try await replace(markerPath, with: ByteBuffer(string: Layout.marker))
    }

    /// Makes the names of all blobs durable: before a list says that they are there.
    func syncBlobs() async throws {
        for algorithm in Digest.Algorithm.allCases {
            guard try await files.status(folder(of: algorithm), followLinks: false) != nil else { continue }
            try await files.syncFolder(folder(of: algorithm))
        }
    }

    /// Removes what dead processes left unfinished: the files that nobody has locked.
    func sweep() async throws {
        for name in try await files.list(workPath) where name != Self.lockName {
            let path = workPath + "/" + name
            guard let status = try await files.status(path, followLinks: false), status.kind == .file else { continue }
            try await removeUnlocked(path)
        }
    }

    /// Removes the lock and the work folder, unless somebody is at work there.
    func tidy() async throws {
        guard try await files.status(workPath, followLinks: false) != nil else { return }
        try await sweep()
        guard try await files.list(workPath).allSatisfy({ $0 == Self.lockName }) else { return }
        try await removeUnlocked(lockPath)
        do {
            try await files.remove(workPath)
        } catch let error as FileError where error.isNotFound || error.isNotEmpty {
            // Another process begins or ends at this moment.
        }
    }

    private func removeUnlocked(_ path: String) async throws {
        let file: any File
        do {
            guard try await files.status(path, followLinks: false) != nil else { return }
            file = try await files.open(path, .read)
        } catch let error as FileError where error.isNotFound {
            return
        }
        try await closing(file) {
            guard try await file.lock() else { return }
            do {
                try await files.remove(path)
            } catch let error as FileError where error.isNotFound {
                // Its owner was about to.
            }
        }
    }
}
