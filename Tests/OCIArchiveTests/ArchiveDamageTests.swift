import NIOCore
import OCI
import TestSupport
import Testing

@testable import OCIArchive

/// Whatever is wrong within an archive's own bytes is damage, said in the archive's words.
struct ArchiveDamageTests {
    private func several(_ name: String) async throws -> [UInt8] {
        let files = MemoryFiles()
        try await ArchiveImages.several().export(to: try ArchiveTarget(path: name, fileSystem: files))
        return try #require(files[name])
    }

    private func verify(_ bytes: [UInt8], _ name: String) async throws -> ArchiveReport {
        let files = MemoryFiles()
        files[name] = bytes
        return try await ArchiveVerification(path: name, opening: ArchiveOpening(fileSystem: files), concurrency: 1)
            .run()
    }

    /// What opening an archive and, where it comes in order, reading all of it says.
    private func fault(_ bytes: [UInt8], _ name: String = "a.tar") async throws -> (any Failure)? {
        let files = MemoryFiles()
        files[name] = bytes
        do {
            let catalog = try await openArchive(name, ArchiveOpening(fileSystem: files))
            if let archive = catalog as? SequentialArchive { try await archive.forEachBlob { try await $0.verify() } }
            return nil
        } catch let error as any Failure {
            return error
        }
    }

    @Test func `a gzip archive whose last checksum is wrong is neither sound nor read`() async throws {
        let whole = try await several("a.tar.gz")
        #expect(try await fault(whole, "a.tar.gz") == nil)
        for index in (whole.count - 8)..<whole.count {
            var bytes = whole
            bytes[index] ^= 1
            let report = try await verify(bytes, "a.tar.gz")
            #expect(report.findings.contains { $0.kind == .damaged && $0.detail.contains("a.tar.gz is damaged: gzip") })
            #expect(try await fault(bytes, "a.tar.gz")?.kind == .damaged)
        }
    }

    @Test(arguments: [
        ("sha256:", "sja256:", "sja256"), (#""repository":"team/app""#, #""repository":"teAm/app""#, "teAm/app"),
        (#""tag":"1""#, #""tag":"-""#, "'-'"), (#""role":"layer""#, #""role":"lazer""#, "unknown role"),
    ])
    func `flipped bits in the contents are damage`(_ text: String, _ changed: String, _ words: String) async throws {
        var bytes = try await several("a.tar")
        let contents = try #require(bytes.firstRange(of: Array(#"{"kind":"full""#.utf8))?.lowerBound)
        let place = try #require(bytes[contents...].firstRange(of: Array(text.utf8)))
        bytes.replaceSubrange(place, with: Array(changed.utf8))
        let report = try await verify(bytes, "a.tar")
        #expect(report.findings.map(\.kind) == [.damaged])
        #expect(report.findings.first?.detail.contains(words) == true, "\(report.findings)")
        #expect(report.findings.first?.detail.contains("of lifeboat/contents of a.tar") == true)
        let error = try await fault(bytes)
        #expect(error?.kind == .damaged, "\(String(describing: error))")
    }

    @Test(arguments: ["a.tar.gz", "a.tar.zst", "a.tar.xz"])
    func `the start of a compressed archive, cut or changed, is damage`(_ name: String) async throws {
        let whole = try await several(name)
        for end in 1...40 {
            let error = try await fault(Array(whole[..<end]), name)
            #expect(error?.kind == .damaged, "cut at \(end): \(String(describing: error))")
            #expect(try await verify(Array(whole[..<end]), name).findings.map(\.kind) == [.damaged], "cut at \(end)")
        }
        for index in 0..<40 {
            var bytes = whole
            bytes[index] ^= 0x20
            let kinds = try await verify(bytes, name).findings.map(\.kind)
            #expect(kinds.allSatisfy { $0 == .damaged }, "flip at \(index): \(kinds)")
        }
    }

    @Test func `what is no tar at all is called so`() async throws {
        for bytes in [Array("hello\n".utf8), [UInt8](repeating: 65, count: 5000)] {
            let error = try await fault(bytes)
            #expect(error?.kind == .damaged)
            #expect(error?.description == "a.tar is not a tar archive")
            #expect(error?.advice != nil)
        }
        let bzip2 = try await fault(Array("BZh91AY&SY".utf8) + [UInt8](repeating: 1, count: 600))
        #expect(bzip2?.kind == .policy)
        #expect(bzip2?.description == "a.tar is compressed with bzip2, which is not read")
        var twice = try FilterEncoder(.gzip, isCompressed: true)
        var bytes = ByteBuffer(bytes: try await several("a.tar"))
        for _ in 1...2 {
            twice = try FilterEncoder(.gzip, isCompressed: true)
            let head = try await twice.encode(bytes)
            bytes = SeededBytes.joined(head, try await twice.finish())
        }
        let error = try await fault(Array(bytes.readableBytesView), "a.tar.gz")
        #expect(error?.kind == .policy)
        #expect(error?.description == "a.tar.gz is compressed more than once")
    }

    @Test func `a path is shown the same in every message`() async throws {
        let name = "a\nb.tar.gz"
        let whole = try await several(name)
        for end in [5, 40, whole.count / 2, whole.count - 1] {
            let bytes = Array(whole[..<end])
            let report = try await verify(bytes, name)
            let words = report.findings.map(\.detail) + [try await fault(bytes, name)?.description ?? ""]
            #expect(words.allSatisfy { !$0.contains("\n") && $0.contains(#"a\u{a}b.tar.gz"#) }, "\(words)")
        }
    }

    @Test func `verification says which images of a cut archive are complete`() async throws {
        for name in ["a.tar", "a.tar.gz"] {
            let whole = try await several(name)
            let all = try await ArchiveImages.several().images.map(\.fullName)
            let sound = try await verify(whole, name)
            #expect(!sound.notes.contains { $0.contains("complete") })
            if name == "a.tar" {
                let notes = try await verify(Array(whole.dropLast(1000)), name).notes
                #expect(notes == ["\(all.count) of \(all.count) images are complete: " + all.joined(separator: ", ")])
            }
            let report = try await verify(Array(whole.prefix(whole.count * 2 / 3)), name)
            #expect(!report.damagedImages.isEmpty)
            let complete = all.filter { !report.damagedImages.contains($0) }
            #expect(
                report.notes == [
                    complete.isEmpty
                        ? "none of the \(all.count) images is complete"
                        : "\(complete.count) of \(all.count) images are complete: " + complete.joined(separator: ", ")
                ])
        }
        let error = try await fault(Array(try await several("a.tar").dropLast(1000)))
        #expect(
            error?.advice
                == "lifeboat verify a.tar says which images are complete, lifeboat import --on-error continue takes those"
        )
    }

    @Test func `large manifests of an archive in order are kept in a file`() async throws {
        var images = ArchiveImages()
        for seed in 1...6 as ClosedRange<UInt64> {
            try await images.addLarge("big/app:\(seed)", seed: seed, manifestSize: 2 << 20)
        }
        let files = MemoryFiles()
        try await images.export(to: try ArchiveTarget(path: "a.tar.gz", fileSystem: files))
        let archive = try #require(
            try await openArchive("a.tar.gz", ArchiveOpening(fileSystem: files)) as? SequentialArchive)
        let source = try await archive.source(try RepositoryName("big/app"))
        for image in images.images {
            let manifest = try await source.manifest(image.descriptor)
            #expect(manifest == (try images.manifest(image.descriptor.digest)))
        }
        try await archive.forEachBlob { try await $0.verify() }
        try await archive.close()
    }
}
