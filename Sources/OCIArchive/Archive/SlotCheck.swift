import NIOCore
import OCI

/// Compares the slots of a plain archive with what they should be: headers, content and padding, every byte.
struct SlotCheck: Sendable {
    private let map: ArchiveMap
    private let file: any File
    private let archive: String

    init(_ map: ArchiveMap, file: any File, archive: String) {
        self.map = map
        self.file = file
        self.archive = archive
    }

    /// What is wrong with a slot; nil if it is right.
    ///
    /// - Parameter observe: is told of bytes as they are read.
    func fault(in number: Int, observe: @Sendable (Int) -> Void = { _ in }) async throws -> String? {
        let slot = map.slots[number]
        let blob = map.blobs[number]
        let header = map.header(number)
        guard try await file.read(at: slot.headerOffset, count: header.readableBytes) == header else {
            return "its header, from byte \(slot.headerOffset) on, is not what it should be"
        }
        observe(header.readableBytes)
        var digester = Digester(blob.digest.algorithm)
        var count: Int64 = 0
        try await file.forEachChunk(from: slot.contentOffset, count: blob.size) { chunk in
            digester.update(chunk)
            count += Int64(chunk.readableBytes)
            observe(chunk.readableBytes)
        }
        guard count == blob.size else { return "it has \(count) bytes, want \(blob.size)" }
        let digest = digester.finalize()
        guard digest == blob.digest else { return "got \(digest), want \(blob.digest)" }
        let padding = try await file.read(at: slot.contentOffset + blob.size, count: Tar.padding(blob.size))
        guard padding.readableBytes == Tar.padding(blob.size), TarFields.isZero(padding.readableBytesView) else {
            return "the padding behind it, from byte \(slot.contentOffset + blob.size) on, is not zero"
        }
        observe(padding.readableBytes)
        return nil
    }
}

extension File {
    /// Bytes a read: large enough that the hop to a thread does not count.
    static var readSize: Int { 512 << 10 }

    /// Reads `count` bytes in order, the next chunk while `receive` is at work on one; fewer at the end of the file.
    func forEachChunk(
        from offset: Int64, count: Int64, _ receive: (ByteBuffer) async throws -> Void
    ) async throws {
        var position = offset
        let end = offset + count
        guard position < end else { return }
        var chunk = try await read(at: position, count: Int(min(Int64(Self.readSize), end - position)))
        while chunk.readableBytes > 0 {
            position += Int64(chunk.readableBytes)
            guard position < end else { return try await receive(chunk) }
            let start = position
            async let following = read(at: start, count: Int(min(Int64(Self.readSize), end - start)))
            try await receive(chunk)
            chunk = try await following
        }
    }
}
