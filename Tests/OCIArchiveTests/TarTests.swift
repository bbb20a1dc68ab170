import NIOCore
import OCI
import TestSupport
import Testing

@testable import OCIArchive

struct TarTests {
    @Test(
        arguments: [
            ("oci-layout", 30), ("blobs/sha512/" + String(repeating: "a", count: 128), 0), ("big", 1 << 33),
            (String(repeating: "n", count: 100), (1 << 33) - 1), (String(repeating: "ü", count: 60), 77),
        ] as [(String, Int64)])
    func `what is written is read again`(_ name: String, _ size: Int64) throws {
        var bytes = TarHeader.bytes(name: name, size: size)
        #expect(Int64(bytes.readableBytes) == TarHeader.size(name: name, size: size))
        var parser = TarParser(archive: "test")
        var entry: TarEntry?
        while entry == nil {
            let block = bytes.readSlice(length: parser.wanted.count)
            entry = try parser.take(try #require(block))
        }
        #expect(entry?.name == name)
        #expect(entry?.size == size)
        #expect(entry?.kind == .file)
        #expect(bytes.readableBytes == 0)
    }

    @Test(arguments: ["gnu", "pax", "ustar", "v7"])
    func `GNU tar's formats are read as GNU tar reads them`(_ format: String) async throws {
        try await withTemporaryFolder { folder in
            let names = ["short", String(repeating: "l", count: 97), "d/" + String(repeating: "x", count: 60) + "/y"]
            let long =
                format == "v7" ? [] : [String(repeating: "p", count: 90) + "/" + String(repeating: "q", count: 40)]
            let longest = format == "gnu" || format == "pax" ? [String(repeating: "w", count: 180)] : []
            for name in names + long + longest {
                try await LocalFileSystem().createFolder(parentFolder(of: folder + "/in/" + name))
                try writeFile(folder + "/in/" + name, Array("content of \(name)".utf8))
            }
            try await Program.run("ln", "-s", "short", "link", in: folder + "/in")
            try await Program.run("ln", "short", "hard", in: folder + "/in")
            let result = try await Program.run("tar", "--format=\(format)", "-cf", "x.tar", "-C", "in", ".", in: folder)
            #expect(result.status == 0)
            try await expectAgreement(folder + "/x.tar")
        }
    }

    @Test func `the tars of the fixtures are read as GNU tar, bsdtar and Python read them`() async throws {
        guard let root = fixture("README.md") else { return }
        let found = try await Program.run("find", parentFolder(of: root), "-name", "*.tar")
        for path in found.output.split(separator: "\n") { try await expectAgreement(String(path)) }
    }

    @Test func `our archives are read by GNU tar, bsdtar and Python as we read them`() async throws {
        try await withTemporaryFolder { folder in
            try await ArchiveImages.several().export(to: try ArchiveTarget(path: folder + "/a.tar"), concurrency: 4)
            try await expectAgreement(folder + "/a.tar")
            for name in ["a.tar.gz", "a.tar.zst", "a.tar.xz"] {
                try await ArchiveImages.several().export(
                    to: try ArchiveTarget(path: folder + "/" + name), concurrency: 4)
                for program in ["tar", "bsdtar"] where Program.exists(program) {
                    let plain = try await Program.run(program, "-tf", folder + "/a.tar")
                    let compressed = try await Program.run(program, "-tf", folder + "/" + name)
                    #expect(compressed.status == 0, "\(program) \(name): \(compressed.errors)")
                    #expect(compressed.output == plain.output)
                }
            }
        }
    }

    private func expectAgreement(_ path: String) async throws {
        let file = try await LocalFileSystem().open(path, .read)
        let entries = try await TarReader.entries(of: file)
        let stream = TarStream(FileStream(file, isPipe: false), archive: path)
        var streamed: [TarEntry] = []
        while let entry = try await stream.nextEntry() { streamed.append(entry) }
        try await file.close()
        #expect(entries == streamed)
        for program in ["tar", "bsdtar"] where Program.exists(program) {
            let list = try await Program.run(program, "-tf", path)
            #expect(list.status == 0, "\(program) \(path): \(list.errors)")
            #expect(list.output.split(separator: "\n").map(String.init) == entries.map(\.name), "\(program) \(path)")
        }
        if Program.exists("python3") {
            let script = "import tarfile,sys\nfor m in tarfile.open(sys.argv[1]): print(m.size, m.offset_data, m.name)"
            let list = try await Program.run("python3", "-c", script, path)
            let ours = entries.map { entry in
                "\(entry.size) \(entry.contentOffset) "
                    + (entry.name.hasSuffix("/") ? String(entry.name.dropLast()) : entry.name)
            }
            #expect(list.output.split(separator: "\n").map(String.init) == ours, "python \(path)")
        }
    }
}
