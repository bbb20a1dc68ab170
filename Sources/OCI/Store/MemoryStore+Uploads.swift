import NIOCore

extension MemoryRepository: UploadTarget {
    func beginUpload() async throws -> String { await store.beginUpload(in: repository) }

    func uploadSize(_ id: String) async throws -> Int64? {
        await store.upload(id, in: repository).map { Int64($0.readableBytes) }
    }

    func append(to id: String, from producer: Content.Producer) async throws -> Int64 {
        _ = try await received(id)
        try await producer { chunk in await store.append(chunk, to: id) }
        return Int64(try await received(id).readableBytes)
    }

    func commitUpload(_ id: String, as digest: Digest) async throws -> Descriptor {
        let bytes = try await received(id)
        await store.endUpload(id)
        let descriptor = Descriptor(of: bytes, mediaType: .octetStream, algorithm: digest.algorithm)
        guard descriptor.digest == digest else {
            throw OCIError.damaged("an upload to \(name) has digest \(descriptor.digest), want \(digest)")
        }
        await store.change(repository) { $0.blobs[digest] = bytes }
        return descriptor
    }

    func cancelUpload(_ id: String) async throws {
        _ = try await received(id)
        await store.endUpload(id)
    }

    private func received(_ id: String) async throws -> ByteBuffer {
        guard let bytes = await store.upload(id, in: repository) else {
            throw OCIError(.notFound, "\(name) has no upload \(shown(id, limit: 80))")
        }
        return bytes
    }
}
