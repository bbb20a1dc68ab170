import CZlib
import NIOCore
import OCI

/// Takes off the coding of a body that somebody on the way has compressed though nobody asked for it (R6).
///
/// A little at a time, so that a body that unfolds to a thousand times its length needs no more memory than another.
/// What comes out is as unverified as what came in: the checksums of gzip are passed over, the digest decides.
final class ContentCoding {
    /// Bytes of output at a time.
    static let outputSize = 256 << 10

    private let stream: UnsafeMutablePointer<z_stream>
    private let isIdentity: Bool
    private var isStarted = false
    private var hasEnded = false
    private var input = ByteBuffer()

    /// - Returns: nil for a coding that is not known.
    init?(_ name: String?) {
        switch name?.trimmed.lowercased() {
        case nil, "", "identity": isIdentity = true
        case "gzip", "x-gzip", "deflate": isIdentity = false
        default: return nil
        }
        stream = .allocate(capacity: 1)
        stream.initialize(to: z_stream())
    }

    /// For bytes that are right as they come.
    static var none: ContentCoding {
        // Never nil: no name is the name of no coding.
        ContentCoding(identity: ())
    }

    private init(identity: Void) {
        isIdentity = true
        stream = .allocate(capacity: 1)
        stream.initialize(to: z_stream())
    }

    deinit {
        if isStarted { inflateEnd(stream) }
        stream.deallocate()
    }

    /// Adds what has come; `next` gives what is in it.
    func add(_ chunk: ByteBuffer) {
        if input.readableBytes == 0 { input = chunk } else { input.writeImmutableBuffer(chunk) }
    }

    /// The next bytes, at most `outputSize` of a compressed body; nil when more has to come first.
    ///
    /// - Throws: `RegistryError` `.transient` for bytes that are not in the coding: they may have been cut or mixed up
    ///   on the way.
    func next() throws(RegistryError) -> ByteBuffer? {
        if isIdentity {
            defer { input = ByteBuffer() }
            return input.readableBytes > 0 ? input : nil
        }
        if !isStarted {
            guard CZlibStart(stream) == Z_OK else { throw RegistryError(.local, "cannot decompress: out of memory") }
            isStarted = true
        }
        while input.readableBytes > 0, !hasEnded {
            let output = try inflateOnce()
            if output.readableBytes > 0 { return output }
        }
        return nil
    }

    private func inflateOnce() throws(RegistryError) -> ByteBuffer {
        var output = ByteBuffer()
        var result = Z_OK
        let used = input.withUnsafeReadableBytes { raw in
            stream.pointee.next_in = UnsafeMutablePointer(
                mutating: raw.baseAddress?.assumingMemoryBound(to: UInt8.self))
            stream.pointee.avail_in = UInt32(raw.count)
            output.writeWithUnsafeMutableBytes(minimumWritableBytes: ContentCoding.outputSize) { space in
                stream.pointee.next_out = space.baseAddress?.assumingMemoryBound(to: UInt8.self)
                stream.pointee.avail_out = UInt32(ContentCoding.outputSize)
                result = inflate(stream, Z_NO_FLUSH)
                return ContentCoding.outputSize - Int(stream.pointee.avail_out)
            }
            return raw.count - Int(stream.pointee.avail_in)
        }
        input.moveReaderIndex(forwardBy: used)
        switch result {
        case Z_OK, Z_BUF_ERROR: break
        case Z_STREAM_END: hasEnded = true
        default: throw .transient("the compressed body of an answer is damaged")
        }
        return output
    }
}
