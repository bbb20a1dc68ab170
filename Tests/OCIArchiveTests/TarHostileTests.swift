import NIOCore
import OCI
import TestSupport
import Testing

@testable import OCIArchive

/// Tars that two programs could read in two ways, or that lie.
struct TarHostileTests {
    /// A header block, any field of which can be set.
    private static func header(
        _ name: String, size: String = "00000000000", type: Character = "0", magic: String = "ustar\u{0}00",
        change: (inout [UInt8]) -> Void = { _ in }
    ) -> [UInt8] {
        var block = Array(TarHeader.bytes(name: "x", size: 0).readableBytesView)
        func put(_ text: String, _ range: Range<Int>) {
            let bytes = Array(text.utf8.prefix(range.count))
            block.replaceSubrange(range, with: bytes + [UInt8](repeating: 0, count: range.count - bytes.count))
        }
        put(name, 0..<100)
        put(size, 124..<136)
        put(String(type), 156..<157)
        put(magic, 257..<265)
        change(&block)
        return summed(block)
    }

    private static func summed(_ header: [UInt8]) -> [UInt8] {
        var block = header
        block.replaceSubrange(148..<156, with: [UInt8](repeating: 32, count: 8))
        let octal = String(block.reduce(0) { $0 + Int($1) }, radix: 8)
        block.replaceSubrange(
            148..<156, with: Array((String(repeating: "0", count: 6 - octal.count) + octal + "\0 ").utf8))
        return block
    }

    private static func body(_ text: String) -> [UInt8] {
        let bytes = Array(text.utf8)
        return bytes + [UInt8](repeating: 0, count: (512 - bytes.count % 512) % 512)
    }

    private static func octal(_ number: Int) -> String {
        let digits = String(number, radix: 8)
        return String(repeating: "0", count: 11 - digits.count) + digits
    }

    private static func extended(_ records: String, type: Character = "x") -> [UInt8] {
        header("pax", size: octal(records.utf8.count), type: type) + body(records)
    }

    private static let end = [UInt8](repeating: 0, count: 1024)
    private static let file = header("file", size: octal(3)) + body("abc")

    static let refused: [(String, [UInt8])] = [
        ("two pax headers in a row", extended("10 path=a\n") + extended("10 path=b\n") + file + end),
        (
            "a pax path and a GNU long name",
            extended("10 path=a\n") + header("L", size: octal(2), type: "L") + body("b\0") + file + end
        ),
        ("two sizes", extended("12 size=999\n") + file + end),
        ("a negative pax size", extended("11 size=-3\n") + header("file") + end),
        ("a pax size of 2^63", extended("28 size=9223372036854775808\n") + header("file") + end),
        ("a pax size with a blank", extended("11 size= 3\n") + header("file") + end),
        ("a pax record that is too long", extended("99 path=a\n") + file + end),
        ("a pax record without newline", extended("10 path=ab") + file + end),
        ("a pax path with NUL", extended("12 path=a\u{0}b\n") + file + end),
        ("a pax path twice", extended("10 path=a\n10 path=b\n") + file + end),
        ("a global size", extended("10 size=3\n", type: "g") + file + end),
        ("a sparse file of pax", extended("22 GNU.sparse.major=1\n") + file + end),
        ("a sparse file of GNU tar", header("file", type: "S") + end),
        ("a multi-volume entry", header("file", type: "M") + end),
        ("an unknown type", header("file", type: "Z") + end),
        ("a size with a letter", header("file", size: "0000000000a") + end),
        ("an empty size", header("file", size: "") + end),
        (
            "a negative base-256 size",
            header("file") { $0.replaceSubrange(124..<136, with: [UInt8](repeating: 0xff, count: 12)) } + end
        ),
        (
            "a base-256 size of 2^63",
            header("file") { $0.replaceSubrange(124..<136, with: [0x80, 0, 0, 0, 0x80, 0, 0, 0, 0, 0, 0, 0]) } + end
        ),
        (
            "a huge base-256 size",
            header("file") { $0.replaceSubrange(124..<136, with: [0x80, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]) } + end
        ),
        ("a link with content", header("link", size: octal(512), type: "1") + file + end),
        ("a folder with content", header("folder/", size: octal(512), type: "5") + file + end),
        ("an empty name", header("") + end),
        ("a name that is not UTF-8", header("x") { $0[0] = 0xff } + end),
        ("an unknown magic", header("file", magic: "ustar\u{0}01") + end),
        ("a wrong checksum", [7] + header("file").dropFirst() + end),
        ("an extended header and no entry", extended("10 path=a\n") + end),
        ("one block of zeros", file + end.prefix(512)),
        ("no end", file),
        ("an entry behind the end", file + end + file + end),
        ("junk in the end", file + end.prefix(700) + [1] + end.prefix(323)),
        ("a cut header", Array(file.prefix(100))),
        ("a cut extended header", Array(extended("10 path=a\n").prefix(600))),
        ("content that is not there", header("file", size: octal(17_179_869)) + end),
        ("a long name of 2 MiB", header("L", size: octal(2 << 20), type: "L") + end),
        ("an empty long name", header("L", size: octal(1), type: "L") + body("\0") + file + end),
        ("nothing", []),
    ]

    @Test(arguments: refused.indices)
    func `what could be read in two ways is refused`(_ number: Int) async throws {
        let (name, bytes) = Self.refused[number]
        for entries in [Self.listed, Self.streamed] {
            await #expect("\(name)") { _ = try await entries(bytes) } throws: { error in
                let failure = error as? any Failure
                return failure?.kind == .damaged || failure?.kind == .policy
            }
        }
    }

    @Test func `a size in base-256 is read exactly`() async throws {
        let bytes =
            Self.header("file") { $0.replaceSubrange(124..<136, with: [0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3]) }
            + Self.body("abc") + Self.end
        #expect(try await Self.listed(bytes).map(\.size) == [3])
    }

    @Test(arguments: [
        "../x", "/etc/passwd", "a/../b", "a//b", "a\\b", "a/./b", "..", "blobs/sha256/../../x", "a\nb", "//",
    ])
    func `a name that leads elsewhere is no path`(_ name: String) {
        #expect(TarEntry.path(name) == nil)
    }

    @Test(arguments: [("./blobs/sha256/", "blobs/sha256"), ("././a", "a"), (".", ""), ("./", ""), ("a", "a")])
    func `a plain name is a path`(_ name: String, _ path: String) {
        #expect(TarEntry.path(name) == path)
    }

    @Test(.enabled(if: Program.exists("tar")))
    func `changed tars are refused or read as GNU tar reads them`() async throws {
        var random = SeededRandom(state: 42)
        let bases: [[UInt8]] = [
            Self.file + Self.header("g", size: Self.octal(600)) + Self.body(String(repeating: "z", count: 600))
                + Self.end,
            Self.extended("18 path=some/where\n") + Self.file + Self.file + Self.end,
            Self.header("L", size: Self.octal(9), type: "L", magic: "ustar  \u{0}") + Self.body("longname\0")
                + Self.header("short", size: Self.octal(3), magic: "ustar  \u{0}") + Self.body("abc") + Self.file
                + Self.end,
            Self.extended("10 size=3\n") + Self.header("file") + Self.body("abc") + Self.file + Self.end,
        ]
        try await withTemporaryFolder { folder in
            var accepted = 0
            for number in 0..<400 {
                var bytes = bases[number % bases.count]
                let block = Int.random(in: 0..<bytes.count / 512 - 2, using: &random) * 512
                let field = [0..<100, 124..<136, 156..<157, 257..<265, 345..<500, 0..<20].randomElement(using: &random)!
                let place = block + Int.random(in: field, using: &random)
                bytes[place] = [0, 0x20, 0x30, 0x31, 0x2f, 0x78, 0x80, 0xff, UInt8.random(in: 0...255, using: &random)]
                    .randomElement(using: &random)!
                // Only where a header was, so that more than its checksum is put to the test.
                if bytes[block + 257] == UInt8(ascii: "u") {
                    bytes.replaceSubrange(block..<block + 512, with: Self.summed(Array(bytes[block..<block + 512])))
                }
                let ours: [String]
                do {
                    ours = try await Self.listed(bytes).map { "\($0.size) \($0.name)" }
                } catch is ArchiveError {
                    continue
                }
                accepted += 1
                try writeFile(folder + "/x.tar", bytes)
                let list = try await Program.run(
                    "tar", "-tvf", folder + "/x.tar", "--numeric-owner", "--quoting-style=literal")
                let theirs = list.output.split(separator: "\n").map { line in
                    let parts = line.split(separator: " ", maxSplits: 5)
                    return "\(parts[2]) \(parts[5].split(separator: " -> ")[0].split(separator: " link to ")[0])"
                }
                #expect(ours == theirs, "number \(number): \(list.errors)")
            }
            #expect(accepted > 50)
        }
    }

    private static func listed(_ bytes: [UInt8]) async throws -> [TarEntry] {
        let files = MemoryFiles()
        files["x.tar"] = bytes
        return try await TarReader.entries(of: files.open("x.tar", .read))
    }

    private static func streamed(_ bytes: [UInt8]) async throws -> [TarEntry] {
        let files = MemoryFiles()
        files["x.tar"] = bytes
        let stream = TarStream(FileStream(try await files.open("x.tar", .read), isPipe: false), archive: "x.tar")
        var entries: [TarEntry] = []
        while let entry = try await stream.nextEntry() { entries.append(entry) }
        return entries
    }
}
