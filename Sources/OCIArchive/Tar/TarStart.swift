import NIOCore
import OCI

/// Tells what is no tar at all from a tar that is damaged.
struct TarStart {
    /// How messages call it.
    let archive: String

    /// - Parameter block: the first block, or less of it.
    /// - Throws: `ArchiveError` `.damaged` for what is no tar, `.policy` for a tar in a filter that is not read.
    func check(_ block: ByteBuffer) throws(ArchiveError) {
        let bytes = Array(block.readableBytesView)
        guard !isHeader(bytes) else { return }
        // A filter at the start of the file itself has been taken off by now.
        if ArchiveFormat(magicOf: block) != nil { throw compressedTwice(archive) }
        if bytes.starts(with: "BZh".utf8) {
            throw .policy(
                "\(archive) is compressed with bzip2, which is not read",
                advice: "bunzip2 it, and give the plain tar")
        }
        throw .damaged(
            "\(archive) is not a tar archive", advice: "give a .tar, .tar.gz, .tar.zst or .tar.xz, or a layout folder")
    }

    /// Whether it is, or was, a header or an end: the magic or the checksum may be damaged, not both.
    private func isHeader(_ bytes: [UInt8]) -> Bool {
        guard bytes.count == Int(Tar.blockSize) else { return false }
        if bytes[257..<262].elementsEqual("ustar".utf8) || TarFields.isZero(bytes) { return true }
        return TarFields.hasChecksum(bytes)
    }
}
