/// One entry of a tar: what its headers say, and where its bytes are.
public struct TarEntry: Hashable, Sendable {
    /// As it is written, which may be `./blobs/…` or `/etc/passwd`.
    public let name: String
    public let kind: TarEntryKind
    public let size: Int64
    /// Where the first of its headers begins.
    public let headerOffset: Int64
    public let contentOffset: Int64

    public init(name: String, kind: TarEntryKind, size: Int64, headerOffset: Int64, contentOffset: Int64) {
        self.name = name
        self.kind = kind
        self.size = size
        self.headerOffset = headerOffset
        self.contentOffset = contentOffset
    }

    /// Where the next header begins.
    public var end: Int64 { contentOffset + Tar.padded(size) }

    /// The name relative to the root of the archive, without `./` in front and a slash behind.
    ///
    /// Nil where it could be meant for another place: absolute names, `..`, `.` or nothing between slashes, and
    /// backslashes. Empty for the root itself.
    public var path: String? { TarEntry.path(name) }

    /// `path` for any name, such as the target of a link.
    public static func path(_ name: String) -> String? {
        var rest = name[...]
        while rest.hasPrefix("./") { rest = rest.dropFirst(2) }
        if rest == "." { return "" }
        if rest.hasSuffix("/") { rest = rest.dropLast() }
        if rest.isEmpty { return name.hasPrefix("/") ? nil : "" }
        let isPlain =
            !rest.utf8.contains { $0 == UInt8(ascii: "\\") || $0 < 0x20 || $0 == 0x7f }
            && rest.split(separator: "/", omittingEmptySubsequences: false)
                .allSatisfy { !$0.isEmpty && $0 != "." && $0 != ".." }
        return isPlain ? String(rest) : nil
    }
}

public enum TarEntryKind: Hashable, Sendable {
    case file
    case folder
    /// The name of another entry.
    case hardLink(String)
    case symbolicLink(String)
    /// The type flag of anything else: a device, a FIFO, a type that we do not know.
    case other(UInt8)
}
