import CArchive
import NIOCore
import OCI

/// zstd by libarchive: one named filter and the "raw" format, nothing that it would guess.
final class ZstdDecoderState: DecoderState {
    private let input: DecoderInput
    private var archive: OpaquePointer?
    /// What libarchive reads from: the memory stays in place until it asks for more.
    private let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: DecoderInput.chunkSize, alignment: 16)
    private var failure: (any Error)?
    private var isAtEnd = false

    init(_ input: DecoderInput) {
        self.input = input
    }

    deinit {
        if let archive { archive_read_free(archive) }
        memory.deallocate()
    }

    var inputCount: Int64 { input.count }
    /// libarchive takes whole buffers; what it does not need is an error at the end.
    var restCount: Int { 0 }

    func next() throws -> ByteBuffer? {
        if isAtEnd { return nil }
        let archive = try opened()
        while true {
            var start: UnsafeRawPointer?
            var count = 0
            var offset: Int64 = 0
            switch archive_read_data_block(archive, &start, &count, &offset) {
            case ARCHIVE_OK:
                guard count > 0, let start else { continue }
                return ByteBuffer(bytes: UnsafeRawBufferPointer(start: start, count: count))
            case ARCHIVE_EOF:
                try checkEnd(archive)
                isAtEnd = true
                return nil
            default: throw fault(archive)
            }
        }
    }

    private func opened() throws -> OpaquePointer {
        if let archive { return archive }
        guard let archive = archive_read_new() else {
            throw ArchiveError(.local, "cannot start decompression: out of memory")
        }
        self.archive = archive
        guard archive_read_support_filter_zstd(archive) == ARCHIVE_OK,
            archive_read_support_format_raw(archive) == ARCHIVE_OK
        else { throw ArchiveError(.local, "this libarchive does not read zstd") }
        let context = Unmanaged.passUnretained(self).toOpaque()
        let opened = archive_read_open(
            archive, context, nil,
            { _, context, buffer in
                guard let context, let buffer else { return -1 }
                return Unmanaged<ZstdDecoderState>.fromOpaque(context).takeUnretainedValue().feed(buffer)
            }, nil)
        guard opened == ARCHIVE_OK else { throw fault(archive) }
        var entry: OpaquePointer?
        guard archive_read_next_header(archive, &entry) == ARCHIVE_OK else { throw fault(archive) }
        // The filter and the file itself: a third one is a filter within the filter.
        switch archive_filter_count(archive) {
        case 2: break
        case 1: throw damagedFilter(input.file, "zstd: its first frame is cut off or changed")
        default: throw compressedTwice(shown(input.file.path, limit: 1000))
        }
        return archive
    }

    /// libarchive's read callback: points to the next bytes and says how many there are, 0 at the end.
    private func feed(_ buffer: UnsafeMutablePointer<UnsafeRawPointer?>) -> Int {
        do {
            let bytes = try input.next()
            guard bytes.readableBytes <= memory.count else { return -1 }
            bytes.withUnsafeReadableBytes { memory.copyMemory(from: $0) }
            buffer.pointee = UnsafeRawPointer(memory.baseAddress)
            return bytes.readableBytes
        } catch {
            failure = error
            return -1
        }
    }

    private func fault(_ archive: OpaquePointer) -> any Error {
        failure ?? damagedFilter(input.file, "zstd: \(libarchiveMessage(archive))")
    }

    /// libarchive stops reading at the first thing that is no frame and may call that the end.
    private func checkEnd(_ archive: OpaquePointer) throws {
        let used = archive_filter_bytes(archive, -1)
        let rest = try input.next()
        guard used == input.count, rest.readableBytes == 0 else {
            throw damagedFilter(input.file, "something follows the compressed archive after byte \(used)")
        }
    }
}
