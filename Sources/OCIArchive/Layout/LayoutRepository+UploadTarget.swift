import NIOCore
import OCI

extension LayoutRepository: UploadTarget {
    func beginUpload() async throws -> String { try await layout.uploads.begin(in: repository) }

    func uploadSize(_ id: String) async throws -> Int64? { await layout.uploads.size(id, in: repository) }

    func append(to id: String, from producer: Content.Producer) async throws -> Int64 {
        var session = try await layout.uploads.take(id, in: repository)
        let file = session.partial.file
        var run = WriteRun(at: session.received.count)
        var arrived = session.received
        do {
            do {
                try await producer { chunk in
                    try await run.append(chunk, to: file)
                    arrived.append(chunk)
                }
            } catch {
                try await run.flush(to: file)
                throw error
            }
            try await run.flush(to: file)
        } catch {
            // What is hashed must be what is in the file: a write that failed is not counted.
            if run.offset == arrived.count { session.received = arrived }
            await layout.uploads.giveBack(id, session)
            throw error
        }
        session.received = arrived
        await layout.uploads.giveBack(id, session)
        return arrived.count
    }

    func commitUpload(_ id: String, as digest: Digest) async throws -> Descriptor {
        let session = try await layout.uploads.take(id, in: repository)
        await layout.uploads.end(id)
        let size = session.received.count
        do {
            // A failed append may have left bytes behind those that count.
            try await session.partial.file.truncate(size)
            let got = try await received(session, algorithm: digest.algorithm)
            guard got == digest else {
                throw ArchiveError(.damaged, "an upload to \(name) has digest \(got), want \(digest)")
            }
        } catch {
            await session.partial.discard()
            throw error
        }
        if digest.algorithm != .sha256 { try await folder.files.createFolder(folder.folder(of: digest.algorithm)) }
        try await session.partial.commit(as: folder.path(of: digest))
        try await folder.files.syncFolder(folder.folder(of: digest.algorithm))
        return Descriptor(mediaType: .octetStream, digest: digest, size: size)
    }

    func cancelUpload(_ id: String) async throws {
        let session = try await layout.uploads.take(id, in: repository)
        await layout.uploads.end(id)
        await session.partial.discard()
    }

    /// The hash of what came: known, or for another algorithm read once more.
    private func received(_ session: LayoutUploads.Session, algorithm: Digest.Algorithm) async throws -> Digest {
        guard algorithm != .sha256 else { return session.received.digest }
        var prefix = Prefix(algorithm)
        try await folder.send(session.partial.file, in: 0..<session.received.count) { prefix.append($0) }
        return prefix.digest
    }
}
