import CArchive
import NIOCore
import NIOPosix
import OCI
import Synchronization

/// Compresses one group of an archive into one frame, member or stream.
///
/// Equal bytes in give equal bytes out: one thread each, fixed options, no time stamp. Several groups are compressed at
/// once by several encoders.
final class FilterEncoder: Sendable {
    private let codec: Mutex<any EncoderState>
    private let threads: NIOThreadPool

    /// - Parameter isCompressed: whether the content is compressed already, so that effort would be wasted on it.
    init(_ format: ArchiveFormat, isCompressed: Bool, threads: NIOThreadPool = .singleton) throws {
        self.threads = threads
        codec =
            switch format {
            case .plain: Mutex(PlainEncoderState())
            case .gzip: Mutex(try LibarchiveEncoderState("gzip", level: isCompressed ? 1 : 6))
            case .zstd: Mutex(try LibarchiveEncoderState("zstd", level: isCompressed ? 1 : 3))
            case .xz: Mutex(try XZEncoderState(preset: isCompressed ? 0 : 2))
            }
    }

    /// - Returns: what is ready of the output, which may be nothing.
    func encode(_ bytes: ByteBuffer) async throws -> ByteBuffer {
        try await threads.runIfActive { [self] in try codec.withLock { try $0.encode(bytes) } }
    }

    /// - Returns: the rest of the output.
    func finish() async throws -> ByteBuffer {
        try await threads.runIfActive { [self] in try codec.withLock { try $0.finish() } }
    }

    /// Whether a layer that begins so is compressed: gzip, zstd, xz or bzip2.
    static func isCompressed(_ head: ByteBuffer) -> Bool {
        ArchiveFormat(magicOf: head) != nil || Array(head.readableBytesView.prefix(3)) == Array("BZh".utf8)
    }
}

/// The state behind one encoder, used by one thread at a time.
protocol EncoderState: AnyObject {
    func encode(_ bytes: ByteBuffer) throws -> ByteBuffer
    func finish() throws -> ByteBuffer
}

private final class PlainEncoderState: EncoderState {
    func encode(_ bytes: ByteBuffer) -> ByteBuffer { bytes }
    func finish() -> ByteBuffer { ByteBuffer() }
}

/// gzip and zstd by libarchive, without any tar of its own ("raw" format).
private final class LibarchiveEncoderState: EncoderState {
    private let archive: OpaquePointer
    private let output: Output

    /// Where libarchive puts its output; it keeps a pointer to this.
    final class Output {
        var bytes = ByteBuffer()
    }

    init(_ filter: String, level: Int) throws {
        guard let archive = archive_write_new() else {
            throw ArchiveError(.local, "cannot start compression: out of memory")
        }
        self.archive = archive
        output = Output()
        try check(archive_write_set_format_raw(archive))
        try check(archive_write_add_filter_by_name(archive, filter))
        try check(archive_write_set_filter_option(archive, filter, "compression-level", String(level)))
        if filter == "gzip" { try check(archive_write_set_filter_option(archive, filter, "timestamp", nil)) }
        if filter == "zstd" { try check(archive_write_set_filter_option(archive, filter, "threads", "0")) }
        try check(archive_write_set_bytes_per_block(archive, 64 << 10))
        try check(archive_write_set_bytes_in_last_block(archive, 1))
        let context = Unmanaged.passUnretained(output).toOpaque()
        try check(
            archive_write_open(
                archive, context, nil,
                { _, context, bytes, count in
                    guard let context, let bytes else { return -1 }
                    let output = Unmanaged<Output>.fromOpaque(context).takeUnretainedValue()
                    output.bytes.writeBytes(UnsafeRawBufferPointer(start: bytes, count: count))
                    return count
                }, nil))
        let entry = archive_entry_new()
        defer { archive_entry_free(entry) }
        archive_entry_set_pathname(entry, "content")
        archive_entry_set_filetype(entry, CArchiveRegularFile)
        try check(archive_write_header(archive, entry))
    }

    deinit { archive_write_free(archive) }

    private func check(_ result: Int32) throws {
        guard result == ARCHIVE_OK || result == ARCHIVE_WARN else {
            throw ArchiveError(.local, "compression does not work: \(libarchiveMessage(archive))")
        }
    }

    func encode(_ bytes: ByteBuffer) throws -> ByteBuffer {
        try bytes.withUnsafeReadableBytes { raw in
            var done = 0
            while done < raw.count {
                let written = archive_write_data(archive, raw.baseAddress! + done, raw.count - done)
                guard written > 0 else {
                    throw ArchiveError(.local, "compression does not work: \(libarchiveMessage(archive))")
                }
                done += written
            }
        }
        return takeOutput()
    }

    func finish() throws -> ByteBuffer {
        try check(archive_write_close(archive))
        return takeOutput()
    }

    private func takeOutput() -> ByteBuffer {
        defer { output.bytes = ByteBuffer() }
        return output.bytes
    }
}

/// xz by liblzma, since libarchive's output depends on its threads.
private final class XZEncoderState: EncoderState {
    private let stream: UnsafeMutablePointer<lzma_stream>

    init(preset: UInt32) throws {
        stream = .allocate(capacity: 1)
        stream.initialize(to: lzma_stream())
        let result = lzma_easy_encoder(stream, preset, LZMA_CHECK_CRC64)
        guard result == LZMA_OK else {
            throw ArchiveError(.local, "cannot start compression: liblzma says \(result.rawValue)")
        }
    }

    deinit {
        lzma_end(stream)
        stream.deallocate()
    }

    func encode(_ bytes: ByteBuffer) throws -> ByteBuffer {
        try bytes.withUnsafeReadableBytes { raw in
            stream.pointee.next_in = raw.baseAddress?.assumingMemoryBound(to: UInt8.self)
            stream.pointee.avail_in = raw.count
            return try run(LZMA_RUN)
        }
    }

    func finish() throws -> ByteBuffer {
        stream.pointee.avail_in = 0
        return try run(LZMA_FINISH)
    }

    private func run(_ action: lzma_action) throws -> ByteBuffer {
        var output = ByteBuffer()
        while true {
            var result = LZMA_OK
            output.writeWithUnsafeMutableBytes(minimumWritableBytes: 64 << 10) { space in
                stream.pointee.next_out = space.baseAddress?.assumingMemoryBound(to: UInt8.self)
                stream.pointee.avail_out = space.count
                result = lzma_code(stream, action)
                return space.count - stream.pointee.avail_out
            }
            switch result {
            case LZMA_STREAM_END: return output
            case LZMA_OK:
                if action == LZMA_RUN, stream.pointee.avail_in == 0 { return output }
            default: throw ArchiveError(.local, "compression does not work: liblzma says \(result.rawValue)")
            }
        }
    }
}

/// What libarchive says of its last error.
func libarchiveMessage(_ archive: OpaquePointer) -> String {
    guard let text = archive_error_string(archive) else { return "no reason given" }
    return shown(String(cString: text), limit: 200)
}
