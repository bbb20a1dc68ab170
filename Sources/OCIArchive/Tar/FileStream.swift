import NIOCore

/// The bytes of a file or pipe, in order, once.
public actor FileStream: ByteStream {
    private let file: any File
    /// Nil for a pipe, which has no positions.
    private var offset: Int64?
    private var pending: ByteBuffer?

    private static let chunkSize = 256 << 10

    /// - Parameters:
    ///   - head: bytes of a pipe that were read before, which come first.
    ///   - isPipe: whether it can only be read in order.
    public init(_ file: any File, after head: ByteBuffer? = nil, isPipe: Bool) {
        self.file = file
        pending = head
        offset = isPipe ? nil : Int64(head?.readableBytes ?? 0)
    }

    public func next() async throws -> ByteBuffer? {
        if let head = pending {
            pending = nil
            if head.readableBytes > 0 { return head }
        }
        let bytes: ByteBuffer
        if let position = offset {
            bytes = try await file.read(at: position, count: FileStream.chunkSize)
            offset = position + Int64(bytes.readableBytes)
        } else {
            bytes = try await file.readNext(FileStream.chunkSize)
        }
        return bytes.readableBytes == 0 ? nil : bytes
    }
}
