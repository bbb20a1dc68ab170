import CArchive
import NIOCore
import OCI

/// xz by liblzma, which can be told how much memory a file may ask for.
final class XZDecoderState: DecoderState {
    private let input: DecoderInput
    private let memory: UInt64
    /// Whether the first stream is all that is wanted.
    private let isSingle: Bool
    private let stream: UnsafeMutablePointer<lzma_stream>
    private var current = ByteBuffer()
    private var isStarted = false
    private var isInputAtEnd = false
    private var isAtEnd = false
    /// What has gone wrong behind the bytes that came out last.
    private var failure: ArchiveError?

    init(_ input: DecoderInput, memory: UInt64, isSingle: Bool = false) {
        self.input = input
        self.isSingle = isSingle
        self.memory = memory
        stream = .allocate(capacity: 1)
        stream.initialize(to: lzma_stream())
    }

    deinit {
        lzma_end(stream)
        stream.deallocate()
    }

    var inputCount: Int64 { input.count }
    var restCount: Int { current.readableBytes }

    func next() throws -> ByteBuffer? {
        if let failure { throw failure }
        if !isStarted {
            let flags = CArchiveXZTellUnsupportedCheck | (isSingle ? 0 : CArchiveXZConcatenated)
            let result = lzma_stream_decoder(stream, memory, flags)
            guard result == LZMA_OK else { throw fault(result) }
            isStarted = true
        }
        while !isAtEnd {
            if current.readableBytes == 0, !isInputAtEnd {
                current = try input.next()
                isInputAtEnd = current.readableBytes == 0
            }
            var output = ByteBuffer()
            var result = LZMA_OK
            let used = current.withUnsafeReadableBytes { raw in
                stream.pointee.next_in = raw.baseAddress?.assumingMemoryBound(to: UInt8.self)
                stream.pointee.avail_in = raw.count
                output.writeWithUnsafeMutableBytes(minimumWritableBytes: 128 << 10) { space in
                    stream.pointee.next_out = space.baseAddress?.assumingMemoryBound(to: UInt8.self)
                    stream.pointee.avail_out = space.count
                    result = lzma_code(stream, isInputAtEnd ? LZMA_FINISH : LZMA_RUN)
                    return space.count - stream.pointee.avail_out
                }
                return raw.count - stream.pointee.avail_in
            }
            current.moveReaderIndex(forwardBy: used)
            switch result {
            case LZMA_OK: break
            case LZMA_STREAM_END: isAtEnd = true
            default:
                let fault = fault(result)
                guard output.readableBytes > 0 else { throw fault }
                failure = fault
            }
            if output.readableBytes > 0 { return output }
        }
        return nil
    }

    private func fault(_ result: lzma_ret) -> ArchiveError {
        switch result {
        case LZMA_MEMLIMIT_ERROR:
            .policy("\(shown(input.file.path, limit: 1000)) needs more than \(memory) bytes of memory to decompress")
        case LZMA_BUF_ERROR: damagedFilter(input.file, "xz: it is cut off")
        case LZMA_FORMAT_ERROR: damagedFilter(input.file, "xz: something that is no xz stream stands in it")
        case LZMA_DATA_ERROR: damagedFilter(input.file, "xz: the compressed bytes are wrong")
        case LZMA_UNSUPPORTED_CHECK:
            .policy("\(shown(input.file.path, limit: 1000)) has a checksum that this liblzma does not know")
        case LZMA_MEM_ERROR:
            ArchiveError(.local, "cannot decompress \(shown(input.file.path, limit: 1000)): out of memory")
        default: damagedFilter(input.file, "xz: liblzma says \(result.rawValue)")
        }
    }
}
