import NIOCore

@testable import OCIArchive

/// The plain bytes of a compressed archive.
enum DecodedArchive {
    static func stream(_ file: any File, head: ByteBuffer) -> any ByteStream {
        ArchiveStream.open(file, head: head, isPipe: false, limits: DecodingLimits())
    }
}
