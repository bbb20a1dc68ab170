import NIOCore
import OCI
import OCIArchive
import TestSupport
import Testing

struct ArchiveVerificationTests {
    private func archive(_ name: String) async throws -> [UInt8] {
        let files = MemoryFiles()
        try await ArchiveImages.one().export(to: try ArchiveTarget(path: name, fileSystem: files))
        return try #require(files[name])
    }

    private func verify(_ bytes: [UInt8], _ name: String = "a.tar") async throws -> ArchiveReport {
        let files = MemoryFiles()
        files[name] = bytes
        return try await ArchiveVerification(path: name, opening: ArchiveOpening(fileSystem: files), concurrency: 1)
            .run()
    }

    /// One byte in 13, all of them at full scale.
    @Test func `any changed byte of a plain archive is found`() async throws {
        let whole = try await archive("a.tar")
        #expect(try await verify(whole).isSound)
        let missed = try await map(Scale.some(whole.indices, of: 13), limit: 4) { index in
            var bytes = whole
            bytes[index] ^= UInt8(1 << (index % 8))
            return try await verify(bytes).isSound ? index : -1
        }
        #expect(missed.filter { $0 >= 0 } == [])
    }

    @Test func `any truncation and anything appended is found`() async throws {
        let whole = try await archive("a.tar")
        for end in stride(from: 1, to: whole.count, by: 97) {
            #expect(try await !verify(Array(whole[..<end])).isSound, "cut at \(end)")
        }
        #expect(try await !verify(Array(whole.dropLast(1024))).isSound)
        #expect(try await !verify(whole + [0]).isSound)
        #expect(try await !verify(whole + [UInt8](repeating: 0, count: 512)).isSound)
        #expect(try await !verify(whole + whole).isSound)
    }

    @Test func `damage is named with the blob and the images that lack it`() async throws {
        let files = MemoryFiles()
        let images = try await ArchiveImages.several()
        try await images.export(to: try ArchiveTarget(path: "a.tar", fileSystem: files))
        var bytes = try #require(files["a.tar"])
        let shared = try #require(images.planned.first?.graph.blobs.first { $0.size == 50_000 })
        let name = Array("blobs/sha256/\(shared.digest.hex)".utf8)
        let header = try #require(stride(from: 0, to: bytes.count, by: 512).first { bytes[$0...].starts(with: name) })
        bytes[header + 512 + 40_000] ^= 0x20
        let report = try await verify(bytes)
        #expect(report.findings.map(\.place) == ["blob \(shared.digest)"])
        #expect(
            report.findings.first?.images == ["registry.example.com/team/app:1", "registry.example.com/team/app:2"])
        #expect(report.findings.first?.kind == .damaged)
    }

    @Test(arguments: ["a.tar.gz", "a.tar.zst", "a.tar.xz"])
    func `in a compressed archive every change that matters is found, and every cut`(_ name: String) async throws {
        let whole = try await archive(name)
        #expect(try await verify(whole, name).isSound)
        let plain = try await archive("a.tar")
        for index in stride(from: 0, to: whole.count, by: 7) {
            var bytes = whole
            bytes[index] ^= UInt8(1 << (index % 8))
            if try await verify(bytes, name).isSound {
                // Some bits of the filters' own headers mean nothing: then the content must be what it was.
                let files = MemoryFiles()
                files[name] = bytes
                #expect(try await unpacked(name, files) == plain, "flip at \(index)")
            }
        }
        for end in stride(from: 1, to: whole.count, by: 61) {
            #expect(try await !verify(Array(whole[..<end]), name).isSound, "cut at \(end)")
        }
        #expect(try await !verify(whole + [7], name).isSound)
        #expect(try await !verify(whole + whole, name).isSound)
    }

    private func unpacked(_ name: String, _ files: MemoryFiles) async throws -> [UInt8] {
        let file = try await files.open(name, .read)
        let head = try await file.read(at: 0, count: 512)
        let stream = DecodedArchive.stream(file, head: head)
        var bytes: [UInt8] = []
        while let chunk = try await stream.next() { bytes += chunk.readableBytesView }
        return bytes
    }

    @Test func `what others wrote is verified by digest, and said to be not sealed`() async throws {
        for path in ["hello-world.tar", "hello-world-prefixed-path.tar"] {
            guard let path = fixture("oras-project_oras-go/content/oci/testdata/\(path)") else { return }
            let report = try await ArchiveVerification(path: path).run()
            #expect(report.findings == [])
            #expect(!report.isSealed)
            #expect(report.notes.contains { $0.hasPrefix("not sealed") })
            #expect(report.imageCount == 1)
            #expect(report.blobCount == 4)
            #expect(report.notes.contains { $0.contains("10 of 11 manifests") })
        }
    }
}
