import NIOCore

/// Compresses one group, in pieces of one size, so that the output does not depend on how the bytes came.
struct GroupEncoder {
    private static let pieceSize = 256 << 10

    private let format: ArchiveFormat
    private let contentAt: Int?
    private var encoder: FilterEncoder?
    private var pending = ByteBuffer()
    private(set) var lane: GroupLane

    init(_ format: ArchiveFormat, into lane: GroupLane, contentAt: Int?) {
        self.format = format
        self.contentAt = contentAt
        self.lane = lane
    }

    mutating func append(_ bytes: ByteBuffer) async throws {
        pending.writeImmutableBuffer(bytes)
        while let piece = pending.readSlice(length: GroupEncoder.pieceSize) { try await encode(piece) }
        pending.discardReadBytes()
    }

    mutating func finish() async throws {
        try await encode(pending)
        pending = ByteBuffer()
        if let encoder { try await lane.append(encoder.finish()) }
        try await lane.flush()
    }

    private mutating func encode(_ piece: ByteBuffer) async throws {
        if encoder == nil {
            let content = contentAt.flatMap {
                piece.getSlice(at: piece.readerIndex + $0, length: piece.readableBytes - $0)
            }
            encoder = try FilterEncoder(format, isCompressed: content.map(FilterEncoder.isCompressed) ?? false)
        }
        if let encoder { try await lane.append(encoder.encode(piece)) }
    }
}

/// Where the compressed bytes of one group go: into the archive, or into the spool.
struct GroupLane: Sendable {
    let group: Int
    /// Where the group begins in the archive, if it is its turn.
    let start: Int64?
    private(set) var end: Int64
    private(set) var extents: [SpoolFile.Extent] = []
    private var pending = ByteBuffer()
    private let file: any File
    private let output: GroupOutput

    init(_ group: Int, start: Int64?, file: any File, output: GroupOutput) {
        self.group = group
        self.start = start
        end = start ?? 0
        self.file = file
        self.output = output
    }

    mutating func append(_ bytes: ByteBuffer) async throws {
        pending.writeImmutableBuffer(bytes)
        if pending.readableBytes >= SpoolFile.extentSize { try await flush() }
    }

    mutating func flush() async throws {
        if start != nil {
            try await file.write(pending, at: end)
            end += Int64(pending.readableBytes)
        } else {
            let spool = try await output.openedSpool()
            while let part = pending.readSlice(length: min(pending.readableBytes, SpoolFile.extentSize)),
                part.readableBytes > 0
            {
                extents.append(try await spool.write(part))
            }
        }
        pending.clear()
    }
}
