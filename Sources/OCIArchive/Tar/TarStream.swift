import NIOCore
import OCI

/// Bytes in order from somewhere that cannot go back: a pipe, a decoder.
public protocol ByteStream: Sendable {
    /// The next bytes, never an empty buffer; nil at the end.
    func next() async throws -> ByteBuffer?
}

/// Reads a tar from a stream, once, in order.
public actor TarStream {
    /// How messages call it.
    public nonisolated let archive: String
    private let stream: any ByteStream
    private var parser: TarParser
    private var buffer = ByteBuffer()
    /// The offset of the first byte of `buffer` in the stream.
    private var position: Int64 = 0
    /// Where the content of the current entry ends.
    private var contentEnd: Int64 = 0

    public init(_ stream: any ByteStream, archive: String) {
        self.stream = stream
        self.archive = archive
        parser = TarParser(archive: archive)
    }

    /// The next entry, after passing over what is left of the one before; nil at the end, which is then checked.
    public func nextEntry() async throws -> TarEntry? {
        while !parser.isAtEnd {
            try await skip(to: parser.wanted.offset)
            if let entry = try parser.take(await take(parser.wanted.count)) {
                contentEnd = entry.contentOffset + entry.size
                return entry
            }
        }
        try await checkEnd()
        return nil
    }

    /// The next bytes of the current entry; nil at its end.
    public func nextChunk() async throws -> ByteBuffer? {
        guard position < contentEnd else { return nil }
        if buffer.readableBytes == 0 { try await fill() }
        guard buffer.readableBytes > 0 else {
            throw ArchiveError.damaged(
                "\(archive) is cut off at byte \(position): \(contentEnd - position) bytes are missing")
        }
        let count = Int(min(Int64(buffer.readableBytes), contentEnd - position))
        guard let chunk = buffer.readSlice(length: count) else { return nil }
        position += Int64(count)
        return chunk
    }

    /// The whole content of the current entry.
    ///
    /// - Throws: `ArchiveError` `.policy` if it is larger than `limit`.
    public func content(of entry: TarEntry, upTo limit: Int64) async throws -> ByteBuffer {
        guard entry.size <= limit else {
            throw ArchiveError.policy(
                "\(shownName(entry)) in \(archive) has \(entry.size) bytes, the limit is \(limit)")
        }
        var content = ByteBuffer()
        while var chunk = try await nextChunk() { content.writeBuffer(&chunk) }
        return content
    }

    private func fill() async throws {
        buffer = try await stream.next() ?? ByteBuffer()
    }

    private func skip(to offset: Int64) async throws {
        while position < offset {
            if buffer.readableBytes == 0 { try await fill() }
            guard buffer.readableBytes > 0 else {
                throw ArchiveError.damaged(
                    "\(archive) is cut off at byte \(position): it goes on to \(offset) at least")
            }
            let count = Int(min(Int64(buffer.readableBytes), offset - position))
            // Content may be passed over unread, but the padding behind it is part of the structure.
            buffer.moveReaderIndex(forwardBy: count)
            position += Int64(count)
        }
    }

    private func take(_ count: Int) async throws -> ByteBuffer {
        var result = ByteBuffer()
        while result.readableBytes < count {
            if buffer.readableBytes == 0 { try await fill() }
            guard var part = buffer.readSlice(length: min(buffer.readableBytes, count - result.readableBytes)),
                part.readableBytes > 0
            else { break }
            position += Int64(part.readableBytes)
            result.writeBuffer(&part)
        }
        return result
    }

    private func checkEnd() async throws {
        var check = TarEndCheck(archive: archive)
        while true {
            if buffer.readableBytes == 0 { try await fill() }
            guard buffer.readableBytes > 0 else { break }
            try check.take(buffer, at: position)
            position += Int64(buffer.readableBytes)
            buffer.clear()
        }
        try check.finish()
    }
}

/// The name of an entry for a message.
func shownName(_ entry: TarEntry) -> String { "'\(shown(entry.name, limit: 200))'" }
