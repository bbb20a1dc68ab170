import NIOCore

/// Chunks that follow one another, gathered into writes of a useful size.
///
/// What fills most of its buffer is kept as it is; of other chunks, which would keep alive more than they hold, a copy is.
struct WriteRun: Sendable {
    /// From how many bytes on they are written.
    private static let size = 512 << 10
    /// The shortest chunk that is not copied: it bounds the pieces of a write (`IOV_MAX` is 1,024).
    private static let leastPiece = 16 << 10

    private var pieces: [ByteBuffer] = []
    private var count = 0
    /// Whether the last of the pieces is a copy, to which more can be added.
    private var isOpen = false
    /// Where the next write goes.
    private(set) var offset: Int64

    init(at offset: Int64 = 0) {
        self.offset = offset
    }

    mutating func append(_ chunk: ByteBuffer, to file: any File) async throws {
        count += chunk.readableBytes
        if chunk.readableBytes >= max(WriteRun.leastPiece, chunk.storageCapacity / 2) {
            pieces.append(chunk)
            isOpen = false
        } else {
            openPiece { _ = $0.writeImmutableBuffer(chunk) }
        }
        if count >= WriteRun.size { try await flush(to: file) }
    }

    /// - Parameter count: less than a block.
    mutating func append(zeros count: Int) {
        guard count > 0 else { return }
        self.count += count
        openPiece { _ = $0.writeRepeatingByte(0, count: count) }
    }

    private mutating func openPiece(_ append: (inout ByteBuffer) -> Void) {
        if !isOpen { pieces.append(ByteBuffer()) }
        isOpen = true
        append(&pieces[pieces.count - 1])
    }

    mutating func flush(to file: any File) async throws {
        guard count > 0 else { return }
        try await file.write(pieces, at: offset)
        offset += Int64(count)
        pieces = []
        count = 0
        isOpen = false
    }
}
