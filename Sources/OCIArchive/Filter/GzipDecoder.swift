import CArchive
import NIOCore
import OCI

/// gzip by zlib, member after member, each with its own CRC-32 and length (RFC 1952, 2.3.1).
///
/// libarchive's filter passes over both (libarchive 3.8, archive_read_support_filter_gzip.c, `consume_trailer`).
final class GzipDecoderState: DecoderState {
    /// Bytes of output at a time.
    private static let outputSize = 256 << 10

    private let input: DecoderInput
    private let stream: UnsafeMutablePointer<z_stream>
    private var current = ByteBuffer()
    private var isStarted = false
    /// Whether the member before is complete and the next one has not begun.
    private var isBetweenMembers = true
    private var memberCount = 0
    /// Whether the first member is all that is wanted.
    private let isSingle: Bool

    init(_ input: DecoderInput, isSingle: Bool = false) {
        self.input = input
        self.isSingle = isSingle
        stream = .allocate(capacity: 1)
        stream.initialize(to: z_stream())
    }

    deinit {
        if isStarted { inflateEnd(stream) }
        stream.deallocate()
    }

    var inputCount: Int64 { input.count }
    var restCount: Int { current.readableBytes }

    func next() throws -> ByteBuffer? {
        if !isStarted {
            guard CArchiveGzipStart(stream) == Z_OK else {
                throw ArchiveError(.local, "cannot decompress \(shown(input.file.path, limit: 1000)): out of memory")
            }
            isStarted = true
        }
        while true {
            if isSingle, isBetweenMembers, memberCount > 0 { return nil }
            if current.readableBytes == 0 {
                current = try input.next()
                if current.readableBytes == 0 {
                    guard isBetweenMembers, memberCount > 0 else { throw damaged("it is cut off") }
                    return nil
                }
            }
            if isBetweenMembers { try beginMember() }
            let output = try inflateOnce()
            if output.readableBytes > 0 { return output }
        }
    }

    private func beginMember() throws {
        let first = current.getInteger(at: current.readerIndex, as: UInt8.self)
        guard first == 0x1f else {
            let offset = input.count - Int64(current.readableBytes)
            throw damagedFilter(input.file, "something follows the compressed archive after byte \(offset)")
        }
        isBetweenMembers = false
        memberCount += 1
    }

    /// What the input at hand gives, up to `outputSize`: maybe nothing.
    private func inflateOnce() throws -> ByteBuffer {
        var output = ByteBuffer()
        var result = Z_OK
        let used = current.withUnsafeReadableBytes { raw in
            stream.pointee.next_in = UnsafeMutablePointer(
                mutating: raw.baseAddress?.assumingMemoryBound(to: UInt8.self))
            stream.pointee.avail_in = UInt32(raw.count)
            output.writeWithUnsafeMutableBytes(minimumWritableBytes: Self.outputSize) { space in
                stream.pointee.next_out = space.baseAddress?.assumingMemoryBound(to: UInt8.self)
                stream.pointee.avail_out = UInt32(space.count)
                result = inflate(stream, Z_NO_FLUSH)
                return space.count - Int(stream.pointee.avail_out)
            }
            return raw.count - Int(stream.pointee.avail_in)
        }
        current.moveReaderIndex(forwardBy: used)
        switch result {
        case Z_OK, Z_BUF_ERROR: break
        case Z_STREAM_END:
            isBetweenMembers = true
            guard inflateReset(stream) == Z_OK else { throw damaged("zlib does not go on") }
        case Z_MEM_ERROR:
            throw ArchiveError(.local, "cannot decompress \(shown(input.file.path, limit: 1000)): out of memory")
        default: throw damaged(reason(result))
        }
        return output
    }

    private func reason(_ result: Int32) -> String {
        let text = stream.pointee.msg.map { String(cString: $0) } ?? "zlib says \(result)"
        switch text {
        case "incorrect data check": return "the CRC-32 of member \(memberCount) is not that of its bytes"
        case "incorrect length check": return "the length of member \(memberCount) is not that of its bytes"
        default: return "member \(memberCount): \(text)"
        }
    }

    private func damaged(_ reason: String) -> ArchiveError {
        damagedFilter(input.file, "gzip: \(reason), near byte \(input.count - Int64(current.readableBytes))")
    }
}
