import NIOCore

/// How the tar of an archive is stored.
public enum ArchiveFormat: String, Sendable, Hashable, CaseIterable {
    case plain, gzip, zstd, xz

    /// The format that a file name asks for; nil for a suffix that is no archive's.
    public init?(suffixOf path: String) {
        let name = path.lowercased()
        guard let match = ArchiveFormat.suffixes.first(where: { name.hasSuffix($0.suffix) }) else { return nil }
        self = match.format
    }

    /// The part of a file name that says how it is stored, as it is written there; nil for no archive's.
    static func suffix(of path: String) -> String? {
        let name = path.lowercased()
        return suffixes.first { name.hasSuffix($0.suffix) }.map { String(path.suffix($0.suffix.count)) }
    }

    private static let suffixes: [(suffix: String, format: ArchiveFormat)] = [
        (".tar", .plain), (".tar.gz", .gzip), (".tgz", .gzip), (".tar.zst", .zstd), (".tzst", .zstd),
        (".tar.xz", .xz), (".txz", .xz),
    ]

    /// The filter whose magic bytes stand at the start; nil for none of those that are read.
    init?(magicOf head: ByteBuffer) {
        let bytes = Array(head.readableBytesView.prefix(6))
        if bytes.starts(with: [0x1f, 0x8b]) {
            self = .gzip
        } else if bytes.starts(with: [0x28, 0xb5, 0x2f, 0xfd]) {
            self = .zstd
        } else if bytes.starts(with: [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00]) {
            self = .xz
        } else {
            return nil
        }
    }
}
