import NIOCore

extension MemoryRepository: RandomAccessSource {
    func blob(_ digest: Digest) async throws -> Descriptor? {
        await store.repository(repository)?.blobs[digest].map {
            Descriptor(mediaType: .octetStream, digest: digest, size: Int64($0.readableBytes))
        }
    }

    func readUnverified(
        _ blob: Descriptor, in range: Range<Int64>, by pieceSize: Int, send: (ByteBuffer) async throws -> Void
    ) async throws {
        guard let bytes = await store.repository(repository)?.blobs[blob.digest],
            var rest = bytes.getSlice(
                at: bytes.readerIndex + Int(range.lowerBound), length: Int(range.upperBound - range.lowerBound))
        else { throw OCIError(.notFound, "\(name) has no bytes \(range) of blob \(blob.digest)") }
        while let piece = rest.readSlice(length: min(pieceSize, rest.readableBytes)), piece.readableBytes > 0 {
            try await send(piece)
        }
    }

    /// Bytes in memory do not change under one digest, except that a blob can go.
    func stamp(of blob: Descriptor) async throws -> String {
        await store.repository(repository)?.blobs[blob.digest] == nil ? "absent" : "present"
    }
}
