import NIOCore
import OCI

/// Reads the headers of a tar, a block at a time, from wherever the caller has them.
///
/// The caller brings the bytes that `wanted` names and gets an entry now and then; content it reads or passes over as
/// it likes. The parser knows ustar, v7 and GNU headers, long names of GNU tar, pax `path`, `linkpath` and `size`.
/// Where programs differ in what they read, or may, it refuses: it never gives another list of entries than GNU tar.
public struct TarParser: Sendable {
    /// Where the next bytes that the parser needs begin, and how many there are; a multiple of 512.
    public private(set) var wanted: (offset: Int64, count: Int) = (0, Int(Tar.blockSize))
    /// Whether the block of zeros behind the last entry was read: nothing but zeros may follow, one block at least.
    public private(set) var isAtEnd = false
    public private(set) var entryCount = 0

    private let archive: String
    private var pending = Pending()

    /// What extended headers say of the entry that follows them.
    private struct Pending {
        var start: Int64?
        var body: (type: UInt8, size: Int64)?
        var longName: String?
        var longLink: String?
        var extended: TarExtendedHeader?

        var hasAnything: Bool { start != nil }
    }

    /// - Parameter archive: how messages call it.
    public init(archive: String) {
        self.archive = archive
    }

    /// Takes the bytes of `wanted`.
    ///
    /// - Returns: an entry, if these were the last of its headers.
    /// - Throws: `ArchiveError` `.damaged` for anything that is not plain, `.policy` beyond a limit.
    public mutating func take(_ bytes: ByteBuffer) throws -> TarEntry? {
        let offset = wanted.offset
        if offset == 0 { try TarStart(archive: archive).check(bytes) }
        guard bytes.readableBytes == wanted.count else {
            throw fault(bytes.readableBytes == 0 ? "it ends here without an end" : "it is cut off here", offset)
        }
        wanted = (offset + Int64(bytes.readableBytes), Int(Tar.blockSize))
        if let body = pending.body {
            pending.body = nil
            try takeExtension(bytes, body.type, body.size, offset)
            return nil
        }
        guard !TarFields.isZero(bytes.readableBytesView) else {
            if pending.hasAnything { throw fault("an extended header has no entry", offset) }
            isAtEnd = true
            return nil
        }
        let fields = try TarFields(bytes) { fault($0, offset) }
        switch fields.type {
        case UInt8(ascii: "x"), UInt8(ascii: "g"), UInt8(ascii: "L"), UInt8(ascii: "K"):
            try announce(fields, offset)
            return nil
        default: return try entry(fields, offset)
        }
    }

    private func fault(_ reason: String, _ offset: Int64) -> ArchiveError {
        .damaged("\(archive) is damaged at byte \(offset): \(reason)")
    }

    private mutating func announce(_ fields: TarFields, _ offset: Int64) throws {
        guard fields.size <= Tar.extensionLimit else {
            throw ArchiveError.policy(
                "\(archive) has an extended header of \(fields.size) bytes at byte \(offset), "
                    + "the limit is \(Tar.extensionLimit)")
        }
        guard fields.size > 0 else { throw fault("an extended header is empty", offset) }
        pending.start = pending.start ?? offset
        pending.body = (fields.type, fields.size)
        wanted.count = Int(Tar.padded(fields.size))
    }

    private mutating func takeExtension(_ bytes: ByteBuffer, _ type: UInt8, _ size: Int64, _ offset: Int64) throws {
        let body = bytes.readableBytesView.prefix(Int(size))
        switch type {
        case UInt8(ascii: "L"):
            guard pending.longName == nil else { throw fault("a long name stands twice", offset) }
            pending.longName = try longText(body, offset)
        case UInt8(ascii: "K"):
            guard pending.longLink == nil else { throw fault("a long link name stands twice", offset) }
            pending.longLink = try longText(body, offset)
        case UInt8(ascii: "g"):
            guard pending.start == offset - Tar.blockSize else {
                throw fault("a global header stands between an entry and its extended header", offset)
            }
            let header = try TarExtendedHeader(body) { fault($0, offset) }
            guard header.path == nil, header.linkPath == nil, header.size == nil else {
                throw fault("a global header sets the name or size of all entries", offset)
            }
            pending = Pending()
        default:
            guard pending.extended == nil else { throw fault("an extended header stands twice", offset) }
            pending.extended = try TarExtendedHeader(body) { fault($0, offset) }
        }
    }

    private func longText(_ body: some Collection<UInt8>, _ offset: Int64) throws -> String {
        let text = body.prefix { $0 != 0 }
        guard body.dropFirst(text.count).allSatisfy({ $0 == 0 }) else { throw fault("a long name holds NUL", offset) }
        guard !text.isEmpty, let name = String(validating: text, as: UTF8.self) else {
            throw fault("a long name is empty or not UTF-8", offset)
        }
        return name
    }

    private mutating func entry(_ fields: TarFields, _ offset: Int64) throws -> TarEntry {
        let pending = pending
        self.pending = Pending()
        if pending.longName != nil, pending.extended?.path != nil {
            throw fault("the entry has two long names", offset)
        }
        if pending.longLink != nil, pending.extended?.linkPath != nil {
            throw fault("the entry has two long link names", offset)
        }
        let name = try pending.extended?.path ?? pending.longName ?? fields.name { fault($0, offset) }
        let link = try pending.extended?.linkPath ?? pending.longLink ?? fields.linkName { fault($0, offset) }
        var size = fields.size
        if let extended = pending.extended?.size {
            guard size == 0 || size == extended || (size == Tar.ustarSizeLimit - 1 && extended > size) else {
                throw fault("its headers give two sizes, \(size) and \(extended)", offset)
            }
            size = extended
        }
        let kind = try TarParser.kind(fields.type, name: name, link: link) { fault($0, offset) }
        guard kind == .file || size == 0 else {
            throw fault("'\(shown(name, limit: 200))' is no file but has \(size) bytes", offset)
        }
        entryCount += 1
        guard entryCount <= Tar.entryLimit else {
            throw ArchiveError.policy("\(archive) has more than \(Tar.entryLimit) entries")
        }
        let content = offset + Tar.blockSize
        guard size <= Int64.max - content - Tar.endPaddingLimit else { throw fault("its size is \(size)", offset) }
        wanted.offset = content + Tar.padded(size)
        return TarEntry(
            name: name, kind: kind, size: size, headerOffset: pending.start ?? offset, contentOffset: content)
    }

    private static func kind(_ type: UInt8, name: String, link: String, fault: (String) -> ArchiveError) throws
        -> TarEntryKind
    {
        switch type {
        case 0, UInt8(ascii: "0"):
            // Before ustar a folder was a file whose name ends with a slash, and GNU tar still reads it so.
            return name.hasSuffix("/") ? .folder : .file
        case UInt8(ascii: "5"): return .folder
        case UInt8(ascii: "1"): return .hardLink(link)
        case UInt8(ascii: "2"): return .symbolicLink(link)
        case UInt8(ascii: "3"), UInt8(ascii: "4"), UInt8(ascii: "6"): return .other(type)
        default:
            throw fault(
                "entry type '\(shown(String(Unicode.Scalar(type))))' of '\(shown(name, limit: 200))' is not supported")
        }
    }
}
