import NIOCore

/// Lists the entries of a plain tar in a file, reading its headers only.
public struct TarReader: Sendable {
    private let file: any File
    private let size: Int64
    private var parser: TarParser
    private var window = ByteBuffer()
    private var windowOffset: Int64 = 0
    private let archive: String

    /// Headers are read this much at a time, so that neighbours cost one read.
    private static let windowSize = 16 << 10

    /// - Parameters:
    ///   - size: of the file, in bytes.
    ///   - archive: how messages call it.
    public init(_ file: any File, size: Int64, archive: String? = nil) {
        self.file = file
        self.size = size
        self.archive = archive ?? file.path
        parser = TarParser(archive: self.archive)
    }

    /// The next entry; nil at the end, behind which nothing but zeros was found.
    ///
    /// - Throws: `ArchiveError` `.damaged` for an archive that is cut off or not plain; `FileError`.
    public mutating func next() async throws -> TarEntry? {
        while !parser.isAtEnd {
            if let entry = try parser.take(await bytes(at: parser.wanted.offset, count: parser.wanted.count)) {
                guard entry.contentOffset + entry.size <= size else {
                    throw ArchiveError.damaged(
                        "\(archive) is cut off: \(shownName(entry)) ends at byte \(entry.contentOffset + entry.size), "
                            + "the file at \(size)")
                }
                return entry
            }
        }
        try await checkEnd()
        return nil
    }

    /// Every entry of the tar.
    public static func entries(of file: any File, archive: String? = nil) async throws -> [TarEntry] {
        var reader = TarReader(file, size: try await file.status().size, archive: archive)
        var entries: [TarEntry] = []
        while let entry = try await reader.next() { entries.append(entry) }
        return entries
    }

    private mutating func bytes(at offset: Int64, count: Int) async throws -> ByteBuffer {
        if let known = slice(at: offset, count: count) { return known }
        window = try await file.read(at: offset, count: max(count, TarReader.windowSize))
        windowOffset = offset
        return slice(at: offset, count: min(count, window.readableBytes)) ?? ByteBuffer()
    }

    private func slice(at offset: Int64, count: Int) -> ByteBuffer? {
        guard offset >= windowOffset, offset - windowOffset <= Int64(window.readableBytes) else { return nil }
        return window.getSlice(at: window.readerIndex + Int(offset - windowOffset), length: count)
    }

    private mutating func checkEnd() async throws {
        var check = TarEndCheck(archive: archive)
        var offset = parser.wanted.offset
        while offset < size {
            let bytes = try await file.read(at: offset, count: 64 << 10)
            guard bytes.readableBytes > 0 else { break }
            try check.take(bytes, at: offset)
            offset += Int64(bytes.readableBytes)
        }
        try check.finish()
    }
}

/// Checks what follows the first block of zeros: zeros, one more block at least and not too many.
public struct TarEndCheck: Sendable {
    private let archive: String
    private var count: Int64 = 0

    public init(archive: String) {
        self.archive = archive
    }

    public mutating func take(_ bytes: ByteBuffer, at offset: Int64) throws {
        count += Int64(bytes.readableBytes)
        guard TarFields.isZero(bytes.readableBytesView), count <= Tar.endPaddingLimit else {
            throw ArchiveError.damaged("\(archive) goes on behind its end, after byte \(offset)")
        }
    }

    public func finish() throws {
        guard count >= Tar.blockSize, count % Tar.blockSize == 0 else {
            throw ArchiveError.damaged("\(archive) is cut off in the zeros at its end")
        }
    }
}
